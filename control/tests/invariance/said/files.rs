//! FTP with its data connections, and SMB.

use super::web::filler;
use crate::scene::Scene;

/// A file fetched over a connection to the server, and one sent over a connection from it.
pub(crate) fn ftp() -> Scene {
    passive("10.0.0.5", "192.0.2.5", 41_000).then(active("10.0.0.6", "192.0.2.5", 41_100))
}

pub(super) fn passive(client: &str, server: &str, port: u16) -> Scene {
    let mut scene = Scene::default();
    let control = scene.tcp((client, port), (server, 21));
    let numbers = server.replace('.', ",");
    scene.talk(control, "S:220 ready\nC:USER anonymous\nS:331 password?\nC:PASS guest@\nS:230 in");
    scene.talk(control, &format!("C:PASV\nS:227 Entering Passive Mode ({numbers},4,1)"));
    let data = scene.tcp((client, port + 1), (server, 1025));
    scene.talk(control, "C:RETR plans.doc\nS:150 here it comes");
    scene.server(data, [&filler(3000), &b"data-marker"[..], &filler(3000)].concat());
    scene.close(data);
    scene.talk(control, "S:226 done\nC:QUIT\nS:221 bye");
    scene.close(control);
    scene
}

fn active(client: &str, server: &str, port: u16) -> Scene {
    let mut scene = Scene::default();
    let control = scene.tcp((client, port), (server, 21));
    let numbers = client.replace('.', ",");
    scene.talk(control, "S:220 ready\nC:USER me\nS:230-Welcome\nS: to this\nS:230 server");
    scene.talk(
        control,
        &format!("C:PORT {numbers},200,7\nS:200 PORT ok\nC:STOR loot.zip\nS:150 go on"),
    );
    let data = scene.tcp((server, 20), (client, 51_207));
    scene.server(data, [&filler(900), &b"loot-marker"[..], &filler(2000)].concat());
    scene.close(data);
    scene.talk(control, "S:226 done");
    scene.close(control);
    scene
}

const FILE: [u8; 16] = [0xf1; 16];

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Behind the header of 64 bytes.
fn offset(fixed: u16) -> [u8; 2] {
    (64 + fixed).to_le_bytes()
}

fn len2(bytes: &[u8]) -> [u8; 2] {
    (bytes.len() as u16).to_le_bytes()
}

fn len4(bytes: &[u8]) -> [u8; 4] {
    (bytes.len() as u32).to_le_bytes()
}

/// A request or response of SMB 2, in its NetBIOS frame.
fn smb2(response: bool, command: u16, number: u64, tree: u32, body: &[u8]) -> Vec<u8> {
    let mut message = b"\xfeSMB\x40\0\0\0\0\0\0\0".to_vec();
    message.extend([command.to_le_bytes(), [1, 0]].concat());
    message.extend(u32::from(response).to_le_bytes());
    message.extend([0; 4]);
    message.extend(number.to_le_bytes());
    message.extend([&[0; 4], &tree.to_le_bytes()[..], &7u64.to_le_bytes(), &[0; 16]].concat());
    message.extend(body);
    [&(message.len() as u32).to_be_bytes()[..], &message].concat()
}

fn login(domain: &str, user: &str) -> Vec<u8> {
    let mut message = b"NTLMSSP\0\x03\0\0\0".to_vec();
    let texts = [vec![0; 24], vec![0; 24], wide(domain), wide(user), wide("HOST"), vec![]];
    let mut place = 72u32;
    for text in &texts {
        message.extend([len2(text), len2(text)].concat());
        message.extend(place.to_le_bytes());
        place += text.len() as u32;
    }
    message.extend(0x0200_0001u32.to_le_bytes());
    message.extend([6, 1, 0xb1, 0x1d, 0, 0, 0, 15]);
    message.extend(texts.concat());
    message
}

pub(crate) fn smb() -> Scene {
    let blob = login("CORP", "mallory");
    let (share, file) = (wide("\\\\srv\\Data"), wide("report\\secret.docx"));
    let content = [&filler(5000), &b"smb-marker"[..], &filler(700)].concat();
    let ask_read = [&[49, 0, 80, 0][..], &len4(&content), &[0; 8], &FILE, &[0; 17]].concat();
    let said: [(u16, u32, [Vec<u8>; 2]); 6] = [
        (
            0,
            0,
            [
                [&[36, 0, 1, 0][..], &[0; 8], &[0xaa; 16], &[0; 8], &[0x10, 2]].concat(),
                [&[65, 0, 1, 0, 0x10, 2, 0, 0][..], &[0xbb; 16], &[0; 40]].concat(),
            ],
        ),
        (
            1,
            0,
            [
                [&[25, 0][..], &[0; 10], &offset(24), &len2(&blob), &[0; 8], &blob].concat(),
                vec![9, 0, 0, 0, 72, 0, 0, 0],
            ],
        ),
        (
            3,
            1,
            [
                [&[9, 0, 0, 0][..], &offset(8), &len2(&share), &share].concat(),
                [&[16, 0, 1, 0][..], &[0; 12]].concat(),
            ],
        ),
        (
            5,
            1,
            [
                [
                    &[57, 0][..],
                    &[0; 34],
                    &[1, 0, 0, 0, 0, 0, 0, 0],
                    &offset(56),
                    &len2(&file),
                    &[0; 8],
                    &file,
                ]
                .concat(),
                [&[89, 0][..], &[0; 62], &FILE, &[0; 8]].concat(),
            ],
        ),
        (8, 1, [ask_read, [&[17, 0, 80, 0][..], &len4(&content), &[0; 8], &content].concat()]),
        (
            6,
            1,
            [[&[24, 0, 0, 0, 0, 0, 0, 0][..], &FILE].concat(), [&[60, 0][..], &[0; 58]].concat()],
        ),
    ];
    let mut scene = Scene::default();
    let on = scene.tcp(("10.0.0.7", 41_200), ("192.0.2.7", 445));
    for ((command, tree, [ask, answer]), number) in said.iter().zip(0..) {
        scene.client(on, smb2(false, *command, number, *tree, ask));
        scene.server(on, smb2(true, *command, number, *tree, answer));
    }
    scene.close(on);
    scene
}
