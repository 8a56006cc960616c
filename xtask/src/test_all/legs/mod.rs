//! The legs: in each lane they run in this order, cheap and telling ones first.

mod bare;
mod checkers;
mod clients;
mod emulated;
mod facade;
mod grep;
mod host;
mod http;
mod macos;
mod preload;
mod windows;

use super::leg::{How, Lane, Leg};
use super::need::Need;
use super::rig::DEBIAN_RUST;

const REDIS: Need = Need::Debian {
    programs: &["redis-cli", "redis-benchmark", "redis-server"],
    packages: "redis-server redis-tools",
};

const HTTP_LOAD: Need = Need::Debian {
    programs: &["wrk", "h2load"],
    packages: "wrk nghttp2-client",
};

const WORDS: Need = Need::Debian {
    programs: &["/usr/share/dict/words"],
    packages: "wamerican",
};

const VALGRIND: Need = Need::Debian {
    programs: &["valgrind", "/usr/include/valgrind/callgrind.h"],
    packages: "valgrind",
};

const LLD: Need = Need::Debian {
    programs: &["ld.lld"],
    packages: "lld clang",
};

const S390X: Need = Need::Debian {
    programs: &[
        "qemu-s390x",
        "s390x-linux-gnu-gcc",
        "/usr/s390x-linux-gnu/lib/libc.so.6",
    ],
    packages: "qemu-user gcc-s390x-linux-gnu libc6-dev-s390x-cross",
};

const AARCH64: Need = Need::Debian {
    programs: &[
        "qemu-aarch64",
        "aarch64-linux-gnu-gcc",
        "/usr/aarch64-linux-gnu/lib/libc.so.6",
    ],
    packages: "qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
};

const QEMU_ARM: Need = Need::Debian {
    programs: &["qemu-system-arm"],
    packages: "qemu-system-arm",
};

const QEMU_X86: Need = Need::Debian {
    programs: &["qemu-system-x86_64"],
    packages: "qemu-system-x86",
};

const WINE: Need = Need::Debian {
    programs: &["wine", "wineboot"],
    packages: "wine wine64",
};

const MINGW: Need = Need::Debian {
    programs: &["x86_64-w64-mingw32-gcc"],
    packages: "gcc-mingw-w64-x86-64",
};

/// Every leg.
pub(super) const LEGS: &[Leg] = &[
    Leg {
        name: "fmt",
        proves: "one formatting",
        how: How::Native,
        lane: Lane::Shared,
        quick: true,
        needs: &[],
        limit_s: 60,
        run: host::fmt,
    },
    Leg {
        name: "clippy",
        proves: "no lint of the workspace's list, in any package or target",
        how: How::CompiledOnly,
        lane: Lane::Shared,
        quick: true,
        needs: &[],
        limit_s: 900,
        run: host::clippy,
    },
    Leg {
        name: "tidy",
        proves: "the architecture's rules hold",
        how: How::Native,
        lane: Lane::Shared,
        quick: true,
        needs: &[],
        limit_s: 60,
        run: host::tidy,
    },
    Leg {
        name: "unit",
        proves: "unit, model and documentation tests of every package",
        how: How::Native,
        lane: Lane::Shared,
        quick: true,
        needs: &[],
        limit_s: 1200,
        run: host::unit,
    },
    Leg {
        name: "conformance-linux",
        proves: "Linux keeps every contract of the platform traits",
        how: How::Native,
        lane: Lane::Shared,
        quick: false,
        needs: &[],
        limit_s: 600,
        run: host::conformance_linux,
    },
    Leg {
        name: "conformance-sim",
        proves: "the simulated machine keeps every contract of the platform traits",
        how: How::Simulated,
        lane: Lane::Shared,
        quick: false,
        needs: &[],
        limit_s: 600,
        run: host::conformance_sim,
    },
    Leg {
        name: "crash-sim",
        proves: "nothing acknowledged is lost at 10,000 and more crash points, nor under failing calls",
        how: How::Simulated,
        lane: Lane::Shared,
        quick: false,
        needs: &[],
        limit_s: 900,
        run: host::crash_sim,
    },
    Leg {
        name: "server",
        proves: "the server answers as redis-server does, and survives bad input",
        how: How::Native,
        lane: Lane::Shared,
        quick: false,
        needs: &[REDIS],
        limit_s: 900,
        run: host::server,
    },
    Leg {
        name: "grep",
        proves: "underpin grep writes what ripgrep writes, byte for byte, and survives bad input",
        how: How::Native,
        lane: Lane::Shared,
        quick: false,
        needs: &[],
        limit_s: 1200,
        run: grep::run,
    },
    Leg {
        name: "facade",
        proves: "the test suites of crates that use memchr pass with our search in its place",
        how: How::Native,
        lane: Lane::Apart,
        quick: false,
        needs: &[],
        limit_s: 900,
        run: facade::run,
    },
    Leg {
        name: "kill-9",
        proves: "fifty kills in the middle of a load of real input lose no acknowledged write",
        how: How::Native,
        lane: Lane::Shared,
        quick: false,
        needs: &[REDIS, WORDS],
        limit_s: 900,
        run: host::kill_nine,
    },
    Leg {
        name: "clients",
        proves: "redis-cli, redis-benchmark, redis-py, node-redis, ioredis and the redis crate work against the server unmodified, wrk and h2load against hyper on the runtime",
        how: How::Native,
        lane: Lane::Shared,
        quick: false,
        needs: &[
            REDIS,
            HTTP_LOAD,
            Need::Python("redis"),
            Need::Node("redis"),
            Need::Node("ioredis"),
        ],
        limit_s: 900,
        run: clients::run,
    },
    Leg {
        name: "dist",
        proves: "the release artefacts build and answer",
        how: How::Native,
        lane: Lane::Shared,
        quick: false,
        needs: &[],
        limit_s: 900,
        run: host::dist,
    },
    Leg {
        name: "preload",
        proves: "real programs do the same under our malloc, misuse is noticed, forks and threads go on, hot paths keep their instruction counts",
        how: How::Native,
        lane: Lane::Shared,
        quick: false,
        needs: &[VALGRIND],
        limit_s: 1200,
        run: preload::run,
    },
    Leg {
        name: "bench-smoke",
        proves: "the benchmark runs against its peers and every answer is verified",
        how: How::Native,
        lane: Lane::Alone,
        quick: false,
        needs: &[REDIS],
        limit_s: 1200,
        run: host::bench_smoke,
    },
    Leg {
        name: "loom",
        proves: "the core's locks and queues under every order of memory operations",
        how: How::Simulated,
        lane: Lane::Apart,
        quick: false,
        needs: &[],
        limit_s: 900,
        run: checkers::loom,
    },
    Leg {
        name: "core-thumbv7em",
        proves: "the core builds for a Cortex-M4F, with and without an allocator",
        how: How::CompiledOnly,
        lane: Lane::Apart,
        quick: false,
        needs: &[DEBIAN_RUST],
        limit_s: 600,
        run: bare::core_thumbv7em,
    },
    Leg {
        name: "core-x86_64-none",
        proves: "the core builds for x86-64 without a system, with and without an allocator",
        how: How::CompiledOnly,
        lane: Lane::Apart,
        quick: false,
        needs: &[DEBIAN_RUST],
        limit_s: 600,
        run: bare::core_x86_64,
    },
    Leg {
        name: "firmware",
        proves: "a Cortex-M4F image passes the portable part of the conformance suite, a heap in its memory, and tasks and timers without an allocator",
        how: How::Emulated,
        lane: Lane::Apart,
        quick: false,
        needs: &[DEBIAN_RUST, LLD, QEMU_ARM],
        limit_s: 600,
        run: bare::firmware,
    },
    Leg {
        name: "kernel",
        proves: "a bare x86-64 image passes the portable part of the conformance suite",
        how: How::Emulated,
        lane: Lane::Apart,
        quick: false,
        needs: &[DEBIAN_RUST, LLD, QEMU_X86],
        limit_s: 600,
        run: bare::kernel,
    },
    Leg {
        name: "linux-s390x",
        proves: "the core's tests of stored bytes and of memory pass on a big-endian processor",
        how: How::Emulated,
        lane: Lane::Apart,
        quick: false,
        needs: &[DEBIAN_RUST, S390X],
        limit_s: 1200,
        run: emulated::s390x,
    },
    Leg {
        name: "linux-aarch64",
        proves: "the same for an ARM processor",
        how: How::Emulated,
        lane: Lane::Apart,
        quick: false,
        needs: &[DEBIAN_RUST, AARCH64],
        limit_s: 1200,
        run: emulated::aarch64,
    },
    Leg {
        name: "windows-clippy",
        proves: "no lint in the code for Windows, tests included",
        how: How::CompiledOnly,
        lane: Lane::Apart,
        quick: false,
        needs: &[DEBIAN_RUST, MINGW],
        limit_s: 1200,
        run: windows::clippy,
    },
    Leg {
        name: "windows-wine",
        proves: "the platform for Windows passes its tests and the conformance suite, and the server's loop runs on it",
        how: How::Wine,
        lane: Lane::Apart,
        quick: false,
        needs: &[DEBIAN_RUST, MINGW, WINE],
        limit_s: 1200,
        run: windows::wine,
    },
    Leg {
        name: "macos-aarch64",
        proves: "the program and the tests for macOS are free of lints and link; the platform's numbers are those of Apple's headers",
        how: How::CompiledOnly,
        lane: Lane::Apart,
        quick: false,
        needs: &[DEBIAN_RUST, Need::Python("ziglang")],
        limit_s: 1200,
        run: macos::aarch64,
    },
    Leg {
        name: "macos-x86_64",
        proves: "the program and the tests for macOS on Intel processors link, and the platform's numbers are those of its headers",
        how: How::CompiledOnly,
        lane: Lane::Apart,
        quick: false,
        needs: &[DEBIAN_RUST, Need::Python("ziglang")],
        limit_s: 1200,
        run: macos::x86_64,
    },
    Leg {
        name: "asan",
        proves: "no memory error that the address sanitizer sees in core's and Linux's tests",
        how: How::Native,
        lane: Lane::Apart,
        quick: false,
        needs: &[Need::Nightly],
        limit_s: 900,
        run: checkers::asan,
    },
    Leg {
        name: "fuzz",
        proves: "what reads logs, tables, manifests and requests, and what searches, builds as fuzz targets and survives some seconds of noise",
        how: How::Native,
        lane: Lane::Apart,
        quick: false,
        needs: &[Need::Nightly],
        limit_s: 900,
        run: checkers::fuzz,
    },
    Leg {
        name: "deny",
        proves: "licences, sources and duplicate versions of every dependency",
        how: How::Native,
        lane: Lane::Shared,
        quick: false,
        needs: &[Need::CargoTool("cargo-deny")],
        limit_s: 120,
        run: checkers::deny,
    },
];
