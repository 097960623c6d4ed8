"""Communities, households, devices and the secrets that devices log in with."""
