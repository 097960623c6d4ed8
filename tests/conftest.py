"""What holds for every test."""

from hypothesis import settings

# A property is no measurement: on a busy machine one example may take long.
settings.register_profile("anju", deadline=None)
settings.load_profile("anju")
