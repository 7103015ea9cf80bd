//! DNS by hand-made bytes.
