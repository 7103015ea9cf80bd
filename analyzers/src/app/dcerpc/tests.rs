use proptest::prelude::*;

use super::*;
use Heading::{ToClient, ToServer};

/// A unit, little-endian.
pub(crate) fn unit(kind: u8, flags: u8, call_id: u32, body: &[u8]) -> Vec<u8> {
    let mut unit = vec![5, 0, kind, flags, 0x10, 0, 0, 0];
    unit.extend_from_slice(&(16 + body.len() as u16).to_le_bytes());
    unit.extend_from_slice(&[0, 0]);
    unit.extend_from_slice(&call_id.to_le_bytes());
    unit.extend_from_slice(body);
    unit
}

const UUID_ON_THE_WIRE: [u8; 16] =
    [0x81, 0xbb, 0x7a, 0x36, 0x44, 0x98, 0xf1, 0x35, 0xad, 0x32, 0x98, 0xf0, 0x38, 0, 0x10, 3];
const UUID: &str = "367abb81-9844-35f1-ad32-98f038001003";

pub(crate) fn bind_unit(call_id: u32, contexts: &[u16]) -> Vec<u8> {
    let mut body = vec![0xd0, 0x16, 0xd0, 0x16, 0, 0, 0, 0, contexts.len() as u8, 0, 0, 0];
    for context in contexts {
        body.extend_from_slice(&context.to_le_bytes());
        body.extend_from_slice(&[1, 0]);
        body.extend_from_slice(&UUID_ON_THE_WIRE);
        body.extend_from_slice(&[2, 0, 0, 0]);
        body.extend_from_slice(&[0; 20]);
    }
    unit(kind::BIND, 3, call_id, &body)
}

pub(crate) fn ack_unit(call_id: u32, results: &[u16]) -> Vec<u8> {
    let mut body = vec![0xd0, 0x16, 0xd0, 0x16, 1, 0, 0, 0, 4, 0];
    body.extend_from_slice(b"135\0\0\0");
    body.extend_from_slice(&[results.len() as u8, 0, 0, 0]);
    for result in results {
        body.extend_from_slice(&result.to_le_bytes());
        body.extend_from_slice(&[0; 22]);
    }
    unit(kind::BINDACK, 3, call_id, &body)
}

pub(crate) fn request_unit(
    call_id: u32,
    flags: u8,
    context: u16,
    opnum: u16,
    stub: &[u8],
) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend_from_slice(&context.to_le_bytes());
    body.extend_from_slice(&opnum.to_le_bytes());
    body.extend_from_slice(stub);
    unit(kind::REQUEST, flags, call_id, &body)
}

pub(crate) fn response_unit(call_id: u32, flags: u8, stub: &[u8]) -> Vec<u8> {
    unit(kind::RESPONSE, flags, call_id, &[&[0; 8], stub].concat())
}

fn feed(parser: &mut Dcerpc, said: &[(Heading, Vec<u8>)]) {
    for (heading, bytes) in said {
        parser.data(*heading, bytes, Timestamp::ZERO).unwrap();
    }
}

fn conversation() -> Vec<(Heading, Vec<u8>)> {
    vec![
        (ToServer, bind_unit(1, &[0, 1])),
        (ToClient, ack_unit(1, &[0, 3])),
        (ToServer, request_unit(2, 1, 0, 15, b"first ")),
        (ToServer, request_unit(2, 2, 0, 15, b"last")),
        (ToClient, response_unit(2, 3, b"result")),
    ]
}

#[test]
fn a_bind_and_a_call_become_transactions() {
    let mut parser = Dcerpc::new();
    feed(&mut parser, &conversation());
    assert_eq!((parser.first(), parser.next()), (0, 2));
    let bind = parser.transaction(0).unwrap();
    assert!(bind.interfaces().is_empty());
    let call = parser.transaction(1).unwrap();
    assert_eq!(call.number(Field::DceOpnum, ToServer), Some(15));
    let stub = call.buffer(Buffer::DceStubData, ToServer, 0).unwrap();
    assert_eq!((stub.bytes, stub.complete), (&b"first last"[..], true));
    let stub = call.buffer(Buffer::DceStubData, ToClient, 0).unwrap();
    assert_eq!(stub.bytes, b"\0\0\0\0\0\0\0\0result");
    assert_eq!(call.interfaces().len(), 1);
    assert_eq!((call.interfaces()[0].uuid_text().as_str(), call.interfaces()[0].major), (UUID, 2));
    assert_eq!((call.progress(ToServer), call.progress(ToClient)), (COMPLETE, COMPLETE));
    let expected = serde_json::json!({
        "request": "REQUEST",
        "req": { "opnum": 15, "frag_cnt": 2, "stub_data_size": 10 },
        "interfaces": [{ "uuid": UUID, "version": "2.0", "ack_result": 0 }],
        "response": "RESPONSE",
        "res": { "frag_cnt": 1, "stub_data_size": 14 },
        "call_id": 2,
        "rpc_version": "5.0",
    });
    assert_eq!(Value::Object(call.record()), expected);
}

#[test]
fn a_request_to_what_was_refused_goes_to_no_interface() {
    let mut parser = Dcerpc::new();
    feed(&mut parser, &conversation()[..2]);
    feed(&mut parser, &[(ToServer, request_unit(3, 3, 1, 0, b""))]);
    assert!(parser.transaction(1).unwrap().interfaces().is_empty());
}

#[test]
fn an_answer_without_a_request_is_told_as_that() {
    let mut parser = Dcerpc::new();
    feed(&mut parser, &[(ToClient, response_unit(9, 3, b"x"))]);
    assert_eq!(parser.transaction(0).unwrap().record()["request"], "REQUEST_LOST");
}

#[test]
fn what_is_no_header_ends_parsing() {
    let mut parser = Dcerpc::new();
    assert!(parser.data(ToServer, &[7; 32], Timestamp::ZERO).is_err());
}

#[test]
fn after_a_gap_the_next_header_is_found() {
    let mut parser = Dcerpc::new();
    feed(&mut parser, &conversation()[..2]);
    parser.gap(ToServer, 100, Timestamp::ZERO).unwrap();
    let mut bytes = b"rest of a lost unit \x05\x05".to_vec();
    bytes.extend(request_unit(4, 3, 0, 7, b"stub"));
    for byte in bytes {
        parser.data(ToServer, &[byte], Timestamp::ZERO).unwrap();
    }
    assert_eq!(parser.transaction(1).unwrap().number(Field::DceOpnum, ToServer), Some(7));
}

#[test]
fn memory_is_bounded() {
    let mut parser = Dcerpc::new();
    let stub = vec![7; 60_000];
    for n in 0..2000 {
        feed(&mut parser, &[(ToServer, request_unit(n, 1, 0, 1, &stub))]);
    }
    assert_eq!(parser.next() - parser.first(), MAX_CALLS as u64);
    assert!(parser.memory_bytes() < 4 << 20, "{}", parser.memory_bytes());
    parser.release(parser.next());
    assert_eq!((parser.kept, parser.calls.len()), (0, 0));
}

#[test]
fn datagrams_carry_all_they_need() {
    let mut request = vec![4, 0, 0x20, 0, 0x10, 0, 0, 0];
    request.resize(24, 0);
    request.extend_from_slice(&UUID_ON_THE_WIRE);
    request.extend_from_slice(&[9; 16]);
    request.extend_from_slice(&[0, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0xff, 0xff, 0xff, 0xff]);
    request.extend_from_slice(&[4, 0, 0, 0, 0, 0]);
    request.extend_from_slice(b"stub");
    let mut parser = DcerpcUdp::new();
    parser.data(ToServer, &request, Timestamp::ZERO).unwrap();
    request[1] = kind::RESPONSE;
    // Sent again is not said again.
    for _ in 0..2 {
        parser.data(ToClient, &request, Timestamp::ZERO).unwrap();
    }
    assert_eq!(parser.next(), 1);
    let call = parser.transaction(0).unwrap();
    assert_eq!(call.number(Field::DceOpnum, ToServer), Some(3));
    assert_eq!((call.interfaces()[0].uuid_text().as_str(), call.interfaces()[0].major), (UUID, 2));
    assert_eq!(call.buffer(Buffer::DceStubData, ToServer, 0).unwrap().bytes, b"stub");
    let answer = call.buffer(Buffer::DceStubData, ToClient, 0);
    assert_eq!(answer, Some(BufferView::whole(b"stub")));
    assert_eq!(call.record()["seqnum"], 5);
}

fn records(parser: &dyn Parser) -> Vec<Map<String, Value>> {
    (parser.first()..parser.next()).map(|n| parser.transaction(n).unwrap().record()).collect()
}

proptest! {
    #[test]
    fn any_cutting_gives_the_same(cuts in prop::collection::vec(1usize..40, 1..30)) {
        let mut whole = Dcerpc::new();
        feed(&mut whole, &conversation());
        let mut pieces = Dcerpc::new();
        let mut cuts = cuts.iter().cycle();
        for (heading, bytes) in conversation() {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                pieces.data(heading, piece, Timestamp::ZERO).unwrap();
                rest = behind;
            }
        }
        prop_assert_eq!(records(&whole), records(&pieces));
    }

    #[test]
    fn nothing_panics(
        said in prop::collection::vec(
            (any::<bool>(), 0u8..20, any::<u8>(), 0u32..3, prop::collection::vec(any::<u8>(), 0..80), 0usize..20),
            1..20,
        ),
    ) {
        let (mut stream, mut datagrams) = (Dcerpc::new(), DcerpcUdp::new());
        for (to_server, kind, flags, call_id, body, cut) in said {
            let heading = Heading::to_server_if(to_server);
            let mut bytes = unit(kind, flags, call_id, &body);
            bytes.truncate(bytes.len() - cut.min(bytes.len() - 1));
            if cut == 7 {
                let _ = stream.gap(heading, 5, Timestamp::ZERO);
            }
            let _ = stream.data(heading, &bytes, Timestamp::ZERO);
            let _ = datagrams.data(heading, &[&[4, kind, flags][..], &body, &[0; 80]].concat(), Timestamp::ZERO);
        }
        records(&stream);
        records(&datagrams);
    }
}
