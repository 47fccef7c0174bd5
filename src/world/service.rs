//! The service manager and the process itself: readiness, watchdog, signals, own resource use.
