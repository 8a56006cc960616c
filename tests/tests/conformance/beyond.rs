//! Contracts that the system under the tests is known to break, not the platform: each case with
//! what the system lacks.

/// The cases that cannot pass here.
///
/// wine lacks POSIX renames and deletes, so the Windows platform takes its classic way, which
/// replaces no open file; and it finds the end of a file and writes there in two steps. On Windows
/// itself nothing is excused.
pub(crate) fn of_this_system() -> &'static [(&'static str, &'static str)] {
    let wine = cfg!(windows) && std::path::Path::new("C:/windows/system32/winecfg.exe").exists();
    if !wine {
        return &[];
    }
    &[
        (
            "file::name::rename_replaces_an_open_file",
            "wine lacks POSIX renames",
        ),
        (
            "file::name::hard_link_is_the_same_file",
            "wine lacks POSIX deletes",
        ),
        (
            "file::concurrent::rename_is_whole_at_every_moment",
            "wine lacks POSIX renames",
        ),
        (
            "file::concurrent::appends_of_threads_do_not_overlap",
            "wine appends in two steps",
        ),
    ]
}
