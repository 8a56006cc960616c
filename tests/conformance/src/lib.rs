//! The contracts of the platform traits as an executable suite.
#![no_std]
