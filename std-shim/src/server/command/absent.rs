//! Commands of Redis that this server does not have, so that they are refused by name and reason.
#![forbid(unsafe_code)]

use super::failure::Failure;

/// Data types other than strings.
#[rustfmt::skip]
const TYPES: &[&str] = &[
    "blmove", "blmpop", "blpop", "brpop", "brpoplpush", "bzmpop", "bzpopmax", "bzpopmin", "geoadd",
    "geodist", "geohash", "geopos", "georadius", "georadius_ro", "georadiusbymember",
    "georadiusbymember_ro", "geosearch", "geosearchstore", "hdel", "hexists", "hget", "hgetall",
    "hincrby", "hincrbyfloat", "hkeys", "hlen", "hmget", "hmset", "hrandfield", "hscan", "hset",
    "hsetnx", "hstrlen", "hvals", "lindex", "linsert", "llen", "lmove", "lmpop", "lpop", "lpos",
    "lpush", "lpushx", "lrange", "lrem", "lset", "ltrim", "pfadd", "pfcount", "pfdebug", "pfmerge",
    "rpop", "rpoplpush", "rpush", "rpushx", "sadd", "scard", "sdiff", "sdiffstore", "sinter",
    "sintercard", "sinterstore", "sismember", "smembers", "smismember", "smove", "sort", "sort_ro",
    "spop", "srandmember", "srem", "sscan", "sunion", "sunionstore", "xack", "xadd", "xautoclaim",
    "xclaim", "xdel", "xgroup", "xinfo", "xlen", "xpending", "xrange", "xread", "xreadgroup",
    "xrevrange", "xsetid", "xtrim", "zadd", "zcard", "zcount", "zdiff", "zdiffstore", "zincrby",
    "zinter", "zintercard", "zinterstore", "zlexcount", "zmpop", "zmscore", "zpopmax", "zpopmin",
    "zrandmember", "zrange", "zrangebylex", "zrangebyscore", "zrangestore", "zrank", "zrem",
    "zremrangebylex", "zremrangebyrank", "zremrangebyscore", "zrevrange", "zrevrangebylex",
    "zrevrangebyscore", "zrevrank", "zscan", "zscore", "zunion", "zunionstore",
];

/// What has nothing to do with types.
#[rustfmt::skip]
const OTHERS: &[&str] = &[
    "acl", "asking", "bgrewriteaof", "cluster", "debug", "dump", "eval",
    "eval_ro", "evalsha", "evalsha_ro", "failover", "fcall", "fcall_ro", "function",
    "migrate", "module", "monitor", "move", "psubscribe", "psync", "publish", "pubsub",
    "punsubscribe", "readonly", "readwrite", "replconf", "replicaof", "restore", "script",
    "slaveof", "spublish", "ssubscribe", "subscribe", "sunsubscribe", "swapdb", "sync",
    "unsubscribe", "wait",
];

/// Why `name` is refused, if Redis knows it.
pub(super) fn refusal(name: &[u8]) -> Option<Failure> {
    let lower = name.to_ascii_lowercase();
    let among = |names: &[&str]| {
        names
            .binary_search_by(|known| known.as_bytes().cmp(&lower))
            .is_ok()
    };
    let why = if among(TYPES) {
        "this server holds strings only"
    } else if among(OTHERS) {
        "this server does not have it"
    } else {
        return None;
    };
    let name = String::from_utf8_lossy(&lower).to_ascii_uppercase();
    Some(Failure::text(format!("ERR {name} is not supported: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_found_in_any_case() {
        for names in [TYPES, OTHERS] {
            assert!(names.is_sorted());
            for name in names {
                assert!(refusal(name.to_ascii_uppercase().as_bytes()).is_some());
            }
        }
        assert!(refusal(b"nosuch").is_none());
    }
}
