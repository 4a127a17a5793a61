//! The row tier: loops and the functions that they call, compiled together.
