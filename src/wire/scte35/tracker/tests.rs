//! Table tests of every transition.
