//! The whole pipeline with a handful of rules: a byte of settings, then frames as [`super::frames`] has them.
//!
//! Every flow ends with one record, nothing is held when the run is over, and what comes out does not depend on
//! how records come in batches.

use std::sync::OnceLock;

use umbra_analyzers::pipeline::PipelineConfig;
use umbra_analyzers::profile::Plan;

use super::frames::frames;
use super::script::Script;
use super::signatures::{check_empty, plan, run};

/// A bit of everything that is not counted over flows: the plan is the same for all runs.
const RULES: &str = r#"
alert http any any -> any any (msg:"a"; http.uri; content:"/a"; nocase; http.header_names; content:"Host"; sid:1;)
alert http any any -> any any (msg:"b"; flow:established,to_client; file.data; content:"ab"; within:20; content:"c"; distance:1; sid:2;)
alert http any any -> any any (msg:"c"; http.request_body; pcre:"/a+b/Pi"; flowbits:set,c; sid:3;)
alert tcp any any -> any any (msg:"d"; flowbits:isset,c; content:"x"; offset:2; depth:9; sid:4;)
alert tcp any any -> any any (msg:"e"; byte_jump:2,1,relative,little; byte_test:1,>,40,0,relative; sid:5;)
alert udp any any -> any any (msg:"f"; content:"|00 01|"; byte_extract:1,0,n; isdataat:n,relative; dsize:>4; sid:6;)
alert dns any any -> any any (msg:"g"; dns.query; dotprefix; content:".org"; endswith; sid:7;)
alert tls any any -> any any (msg:"h"; tls.sni; content:"a"; ja3.hash; content:"e"; sid:8;)
alert tls any any -> any any (msg:"i"; tls.cert_subject; content:"CN"; sid:9;)
alert ssh any any -> any any (msg:"j"; ssh.software; content:"ssh"; nocase; sid:10;)
alert smtp any any -> any any (msg:"k"; file.data; content:"a"; base64_decode:bytes 8; base64_data; content:"b"; sid:11;)
alert ftp any any -> any any (msg:"l"; ftp.command; content:"USER"; flowint:u,+,1; sid:12;)
alert ftp-data any any -> any any (msg:"m"; ftpdata_command:retr; file.data; content:"a"; sid:13;)
alert smb any any -> any any (msg:"n"; smb.named_pipe; content:"s"; sid:14;)
alert dcerpc any any -> any any (msg:"o"; dcerpc.opnum:1; dcerpc.stub_data; content:"a"; sid:15;)
alert ip any any -> any any (msg:"p"; ip_proto:6; ttl:<70; fragbits:!M; sid:16;)
alert tcp any any -> any any (msg:"q"; flags:S; window:65535; tag:session,3,packets; sid:17;)
alert icmp any any -> any any (msg:"r"; itype:8; icode:0; sid:18;)
alert http any any -> any any (msg:"s"; app-layer-event:http.missing_host_header; sid:19;)
alert tcp any any -> any any (msg:"t"; stream-event:reassembly_overlap_different_data; sid:20;)
alert pkthdr any any -> any any (msg:"u"; decode-event:ipv4.trunc_pkt; sid:21;)
alert tcp any any -> any any (msg:"v"; content:"A"; to_lowercase; content:!"zz"; stream_size:client,>,3; sid:22;)
alert http any any -> any any (msg:"w"; http.uri; url_decode; to_md5; bsize:16; sid:23;)
pass tcp any 50003 -> any any (msg:"x"; content:"pass"; sid:24;)
"#;

pub(crate) fn pipeline(bytes: &[u8]) {
    static PLAN: OnceLock<Plan> = OnceLock::new();
    let plan = PLAN.get_or_init(|| plan(RULES.as_bytes()));
    let mut script = Script(bytes);
    let choice = script.byte();
    let mut config = PipelineConfig::offline();
    if choice & 1 != 0 {
        config.follow = PipelineConfig::live().follow;
    }
    if choice & 2 != 0 {
        config.decode_anomalies = true;
    }
    if choice & 4 != 0 {
        config.follow.stream.max_bytes = 5000;
        config.follow.stream.max_sessions = 2;
        config.defrag.max_memory = 4000;
    }
    let frames = frames(script.0);
    let told = |batch| {
        let (events, summary) = run(plan, config, &frames, batch);
        check_empty(&summary);
        assert_eq!(summary.counters.records, frames.len() as u64, "records");
        let mut told: Vec<_> = events.iter().map(|event| format!("{event:?}")).collect();
        told.sort();
        told
    };
    assert_eq!(told(1), told(16), "batches of one and of sixteen");
}
