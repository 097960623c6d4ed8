"""The door: decides on the logins of devices at the broker, and on the topics of each."""
