"""Tracks: values that are made of many samples of a device, one file a kind of track."""
