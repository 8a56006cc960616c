//! underpin's platform capabilities on windows.
#![no_std]
