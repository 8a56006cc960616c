//! The safe `std` API of underpin.
