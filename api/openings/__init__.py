"""When bays can be booked: windows, seasons, closures and buffers worked out over the days that are sold."""
