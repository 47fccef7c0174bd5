//! Floor 3. What we remember. The only module that knows SQL.
