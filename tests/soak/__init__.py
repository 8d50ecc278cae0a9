"""Random faults at random times, for as long as one likes: every value is checked against the device's own."""
