//! The HTTP listener: TCP, TLS, basic auth; it serves what a sink hands it.
