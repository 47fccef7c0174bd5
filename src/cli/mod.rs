//! Floor 6. argv → one verb.
