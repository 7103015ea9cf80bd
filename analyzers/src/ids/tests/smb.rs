//! SMB, and the DCE/RPC in its pipes and on its own.

use super::case::{Case, case, check};
use super::lab::smb::{
    CLOSE, CREATE, NEGOTIATE, READ, SESSION_SETUP, TREE_CONNECT, WRITE, close, create, login,
    negotiation, negotiation1, read, session_setup, smb2, tree_connect, write,
};
use super::lab::talk::Talk;
use crate::app::dcerpc::tests::{ack_unit, bind_unit, request_unit, response_unit};
use crate::testing::TestRecord;

/// Questions with their answers.
fn talk(said: &[(u16, u32, [Vec<u8>; 2])]) -> Talk {
    let mut talk = Talk::to(445);
    for ((command, tree, [ask, answer]), number) in said.iter().zip(0..) {
        talk = talk.client(smb2(false, *command, number, *tree, ask));
        talk = talk.server(smb2(true, *command, number, *tree, answer));
    }
    talk
}

fn opened() -> Vec<(u16, u32, [Vec<u8>; 2])> {
    vec![
        (NEGOTIATE, 0, negotiation()),
        (SESSION_SETUP, 0, session_setup(&login("CORP", "mallory"))),
        (TREE_CONNECT, 1, tree_connect("\\\\srv\\Data", 1)),
        (TREE_CONNECT, 2, tree_connect("\\\\srv\\IPC$", 2)),
    ]
}

fn lines_of(protocol: &'static str, lines: &[(usize, &'static str)]) -> Vec<super::case::Line> {
    lines.iter().map(|&(times, options)| (times, protocol, options)).collect()
}

fn smb(about: &'static str, lines: &[(usize, &'static str)]) -> Case {
    case(about, talk(&opened()).end(), &lines_of("smb", lines))
}

fn of_smb() -> Vec<Case> {
    let [ask, answer] = negotiation1();
    vec![
        smb(
            "smb.share smb_share smb.named_pipe smb_named_pipe",
            &[
                (1, "smb.share; content:\"|5c 5c|srv|5c|Data\"; bsize:10;"),
                (1, "smb_share; content:\"Data\"; endswith;"),
                (1, "smb.named_pipe; content:\"|5c 5c|srv|5c|IPC$\"; bsize:10;"),
                (1, "smb_named_pipe; content:\"IPC$\"; endswith;"),
                (0, "smb.share; content:\"IPC\";"),
                (0, "smb_share; content:\"IPC\";"),
                (0, "smb.named_pipe; content:\"Data\";"),
                (0, "smb_named_pipe; content:\"Data\";"),
            ],
        ),
        smb(
            "smb.ntlmssp_user smb.ntlmssp_domain",
            &[
                (1, "smb.ntlmssp_user; content:\"mallory\"; bsize:7;"),
                (1, "smb.ntlmssp_domain; content:\"CORP\"; bsize:4;"),
                (0, "smb.ntlmssp_user; content:\"CORP\";"),
                (0, "smb.ntlmssp_domain; content:\"mallory\";"),
            ],
        ),
        smb(
            "smb.version",
            &[
                (1, "flow:to_server; smb.version:2; smb.ntlmssp_user; content:\"mallory\";"),
                (0, "flow:to_server; smb.version:1; smb.ntlmssp_user; content:\"mallory\";"),
            ],
        ),
        // Rules see all that a short connection said at once: no message's end calls for a look at the stream.
        smb(
            "content distance",
            &[
                (1, "flow:to_server; content:\"|fe|SMB\";"),
                (1, "flow:to_server; content:\"NTLMSSP\"; content:\"|5c 00|D|00|\"; distance:0;"),
                (0, "flow:to_server; content:\"|5c 00|D|00|\"; content:\"NTLMSSP\"; distance:0;"),
            ],
        ),
        case(
            "smb.version",
            Talk::to(445).client(ask).server(answer).end(),
            &[
                (1, "smb", "flow:to_server; smb.version:1;"),
                (0, "smb", "flow:to_server; smb.version:2;"),
            ],
        ),
    ]
}

fn in_pipe() -> Vec<TestRecord> {
    let mut said = opened();
    said.extend([
        (CREATE, 2, create("svcctl")),
        (WRITE, 2, write(&bind_unit(1, &[0]))),
        (READ, 2, read(&ack_unit(1, &[0]))),
        (WRITE, 2, write(&request_unit(2, 3, 0, 15, b"arguments"))),
        (READ, 2, read(&response_unit(2, 3, b"results"))),
        (CLOSE, 2, close()),
    ]);
    talk(&said).end()
}

fn on_its_own() -> Vec<TestRecord> {
    Talk::to(135)
        .client(bind_unit(1, &[0]))
        .server(ack_unit(1, &[0]))
        .client(request_unit(2, 3, 0, 15, b"arguments"))
        .server(response_unit(2, 3, b"results"))
        .end()
}

const CALLS: &[(usize, &str)] = &[
    (1, "flow:to_server; dcerpc.iface:367abb81-9844-35f1-ad32-98f038001003; dcerpc.opnum:15;"),
    (1, "flow:to_server; dce_iface:367abb81-9844-35f1-ad32-98f038001003,=2; dce_opnum:10-15;"),
    (1, "flow:to_server; dcerpc.stub_data; content:\"arguments\";"),
    (1, "flow:to_client; dce_stub_data; content:\"results\"; endswith;"),
    (0, "flow:to_server; dcerpc.iface:367abb81-9844-35f1-ad32-98f038001004; dcerpc.opnum:15;"),
    (0, "flow:to_server; dce_iface:367abb81-9844-35f1-ad32-98f038001003,>2; dce_opnum:15;"),
    (0, "flow:to_server; dcerpc.opnum:16-20,14;"),
    (0, "flow:to_server; dce_opnum:14;"),
    (0, "flow:to_server; dcerpc.stub_data; content:\"results\";"),
    (0, "flow:to_client; dce_stub_data; content:\"arguments\";"),
];

const CALLED: &str = "dcerpc.iface dce_iface dcerpc.opnum dce_opnum dcerpc.stub_data dce_stub_data";

fn calls() -> Vec<Case> {
    vec![
        case(CALLED, in_pipe(), &lines_of("smb", CALLS)),
        case(CALLED, on_its_own(), &lines_of("dcerpc", CALLS)),
        case(
            "byte_test byte_jump",
            on_its_own(),
            &[
                (
                    1,
                    "dcerpc",
                    "flow:to_server; dcerpc.stub_data; content:\"arg\"; byte_test:2,=,26482,-2,relative,dce;",
                ),
                (
                    0,
                    "dcerpc",
                    "flow:to_server; dcerpc.stub_data; content:\"arg\"; byte_test:2,=,29287,-2,relative,dce;",
                ),
            ],
        ),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    [of_smb(), calls()].concat()
}

#[test]
fn parts_of_smb_and_dcerpc() {
    check("smb", &cases());
}
