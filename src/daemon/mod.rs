//! Floor 5. The running daemon.
