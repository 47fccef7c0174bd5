//! Floor 2. PromQL: evaluated over series in memory, pure; it cannot read a clock, so it can be replayed.
