//! underpin's platform capabilities on macos.
#![no_std]
