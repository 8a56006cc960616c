//! underpin's platform capabilities on linux.
#![no_std]
