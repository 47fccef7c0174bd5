//! The samples of SCTE 35 2023r1 §14, to the last field.
