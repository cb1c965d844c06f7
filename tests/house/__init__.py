"""The house itself: what every module, command and shipped file must keep to."""
