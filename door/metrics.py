"""Prometheus metrics of the door, served on a port of their own."""

from prometheus_client import Counter, Gauge

LOGINS = Counter("anju_door_logins", "Logins of devices, by outcome", ["outcome"])
DEVICES = Gauge("anju_door_devices", "Devices that may log in")
READY = Gauge("anju_door_ready", "1 while the door answers the broker, else 0")
FOLLOWING = Gauge("anju_door_following", "1 while the door follows the registry, 0 while it answers from memory alone")
DISCONNECTED = Counter("anju_door_disconnected", "Connections ended because the login of their device was void")
IN_FLIGHT = Gauge("anju_door_in_flight", "Messages that may be in flight to a session of ingest, by their size")
