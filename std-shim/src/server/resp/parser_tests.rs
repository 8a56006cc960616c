//! Tests of the request parser: every split of every request gives the same arguments.
#![forbid(unsafe_code)]

use super::*;

/// Feeds `input` in steps of `step` bytes and gives all requests found, or the error after them.
fn requests(input: &[u8], step: usize) -> (Vec<Vec<Vec<u8>>>, Option<ProtocolError>) {
    let mut parser = Parser::new(Limits::default());
    let mut found = Vec::new();
    let (mut start, mut end) = (0, 0);
    loop {
        match parser.parse(input.get(start..end).unwrap()) {
            Ok(Parsed::Incomplete) if end == input.len() => return (found, None),
            Ok(Parsed::Incomplete) => end = (end + step).min(input.len()),
            Ok(Parsed::Request { bytes }) => {
                let args = parser.args(input.get(start..end).unwrap());
                found.push(args.iter_from(0).map(<[u8]>::to_vec).collect());
                start += bytes;
            }
            Err(error) => return (found, Some(error)),
        }
    }
}

#[test]
fn any_split_of_the_stream_gives_the_same_requests() {
    let stream = b"*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\nPING \"a b\"\r\n\r\n*0\r\n*-5\r\nGET x\n*2\r\n$4\r\nECHO\r\n$5\r\na\r\nb\xff\r\n";
    let (expected, error) = requests(stream, stream.len());
    assert_eq!(error, None);
    assert_eq!(expected.len(), 8);
    assert_eq!(expected.last().unwrap().last().unwrap(), b"a\r\nb\xff");
    for step in 1..stream.len() {
        assert_eq!(
            requests(stream, step),
            (expected.clone(), None),
            "step {step}"
        );
    }
}

#[test]
fn broken_requests_have_their_own_errors() {
    use ProtocolError as E;
    let long = vec![b'a'; 70_000];
    let long_count = [b"*", &long[..]].concat();
    let long_bulk = [b"*1\r\n$", &long[..]].concat();
    for (input, expected) in [
        (&b"*a\r\n"[..], E::MultibulkLength),
        (b"*1048577\r\n", E::MultibulkLength),
        (b"*99999999999999999999\r\n", E::MultibulkLength),
        (b"*\r\n", E::MultibulkLength),
        (b"*1\r\nx\r\n", E::ExpectedBulk(b'x')),
        (b"*1\r\n\r\n", E::ExpectedBulk(b'\r')),
        (b"*1\r\n$-1\r\n", E::BulkLength),
        (b"*1\r\n$10000000000\r\n", E::BulkLength),
        (b"*1\r\n$536870913\r\n", E::BulkLength),
        (b"*1\r\n$x\r\n", E::BulkLength),
        (b"GET \"a\r\n", E::UnbalancedQuotes),
        (&long, E::InlineTooBig),
        (&long_count, E::MultibulkLineTooBig),
        (&long_bulk, E::BulkLineTooBig),
    ] {
        for step in [1, 7, input.len()] {
            assert_eq!(requests(input, step), (vec![], Some(expected)));
        }
    }
}

#[test]
fn declared_lengths_allocate_nothing() {
    let mut parser = Parser::new(Limits::default());
    assert_eq!(
        parser.parse(b"*1048576\r\n$536870912\r\n"),
        Ok(Parsed::Incomplete)
    );
    assert!(parser.memory_bytes() < 64 * 1024);
}
