//! Rules of all kinds that are not about packets.

/// Of transactions: found as often as there are transactions of that kind.
pub(crate) const TRANSACTIONS: &str = r#"
alert http any any -> any any (http.uri; content:"/start"; startswith; sid:101;)
alert http any any -> any any (http.uri; content:"id="; pcre:"/[?&]id=\d{2}$/"; sid:102;)
alert http any any -> any any (http.method; content:"POST"; http.uri; content:"/upload"; bsize:7; sid:103;)
alert http any any -> any any (http.user_agent; content:"evil-agent"; endswith; sid:104;)
alert http any any -> any any (http.host; content:".example.org"; endswith; sid:105;)
alert http any any -> any any (http.cookie; content:"session="; sid:106;)
alert http any any -> any any (http.request_body; content:"filename=|22|evil.exe|22|"; content:"MZ"; distance:0; sid:107;)
alert http any any -> any any (file.name; content:"evil.exe"; sid:108;)
alert http any any -> any any (flow:to_server; file.data; content:"upload-marker"; sid:109;)
alert http any any -> any any (flow:to_client; file.data; content:"chunk-marker"; sid:110;)
alert http any any -> any any (flow:to_client; file.data; content:"gzip-marker"; content:!"absent"; sid:111;)
alert http any any -> any any (flow:to_client; file.data; content:"deep-marker"; sid:112;)
alert http any any -> any any (flow:to_client; file.data; content:"LEN"; byte_jump:2,0,relative; content:"behind-the-jump"; within:15; sid:113;)
alert http any any -> any any (flow:to_client; file.data; content:"end-of-file"; endswith; sid:114;)
alert http any any -> any any (http.stat_code; content:"404"; sid:115;)
alert http any any -> any any (http.stat_msg; content:"Not Found"; http.response_body; content:"no such page"; sid:116;)
alert http any any -> any any (http.request_line; content:"GET /last HTTP/1.1"; bsize:18; sid:117;)
alert http any any -> any any (http.header_names; content:"|0d 0a|Cookie|0d 0a|"; sid:118;)
alert http any any -> any any (http.header; content:"b64 "; base64_decode:offset 0,relative; base64_data; content:"open sesame"; sid:119;)
alert http any any -> any any (http.uri; content:"/start"; flowbits:set,started; flowbits:noalert; sid:120;)
alert http any any -> any any (http.uri; content:"/last"; flowbits:isset,started; sid:121;)
alert http any any -> any any (http.stat_code; content:"200"; flowint:fine,+,1; sid:122;)
alert http any any -> any any (http.stat_code; content:"404"; flowint:fine,==,3; sid:123;)
alert http any any => any any (http.uri; content:"/last"; http.stat_code; content:"404"; sid:124;)
alert http any any -> any any (flow:to_client; file.data; content:"until-the-end"; sid:125;)
alert http any any -> any any (http.cookie; content:"token"; file.data; content:"thanks"; startswith; sid:126;)
alert http any any -> any any (http.uri; to_md5; content:"|14 af d7 36|"; sid:127;)
alert http any any -> any any (fileext:"bin"; filesize:>60000; flow:to_client; sid:128;)
alert http any any -> any any (http.request_body; content:"deep-marker"; pcre:"/LEN.{40,}end-of-file$/s"; sid:129;)
alert http any any -> any any (file.data; byte_extract:1,0,first; content:"LEN"; byte_test:2,=,16,0,relative; sid:130;)
alert http any any -> any any (http.response_body; content:"evil.exe"; isdataat:!1,relative; sid:131;)
alert dns any any -> any any (dns.query; content:".tunnel.example"; endswith; sid:140;)
alert dns any any -> any any (dns.query; dotprefix; content:".example.net"; endswith; sid:141;)
alert dns any any -> any any (flow:to_client; dns.rcode:0; dns.answer.name; content:"tunnel.example"; sid:142;)
alert tls any any -> any any (tls.sni; content:"bad.example"; endswith; sid:150;)
alert tls any any -> any any (ja3.string; content:"771,49199-53,0-16-10-11"; startswith; sid:151;)
alert tls any any -> any any (ja3s.string; content:"771,49199"; startswith; sid:152;)
alert tls any any -> any any (tls.cert_subject; content:"CN=evil.example"; sid:153;)
alert tls any any -> any any (tls.cert_issuer; content:"Honest CA"; tls.cert_serial; content:"0A:BC"; sid:154;)
alert tls any any -> any any (ja4.hash; content:"t12d0204h2"; startswith; sid:155;)
alert tls any any -> any any (tls.version:1.2; tls.certs; content:"Root CA"; sid:156;)
alert smtp any any -> any any (file.data; content:"attachment-marker"; sid:160;)
alert smtp any any -> any any (file.name; content:"invoice.pdf"; sid:161;)
alert smtp any any -> any any (smtp.helo; content:"me.example"; sid:162;)
alert smtp any any -> any any (smtp.mail_from; content:"evil@spam.example"; smtp.rcpt_to; content:"you@"; sid:163;)
alert smtp any any -> any any (email.subject; content:"invoice"; sid:164;)
alert ftp any any -> any any (ftp.command; content:"RETR"; ftp.command_data; content:"plans.doc"; sid:170;)
alert ftp any any -> any any (ftp.reply; content:"Welcome"; ftp.completion_code; content:"230"; sid:171;)
alert ftp any any -> any any (flow:to_client; ftp.dynamic_port:1025; sid:172;)
alert ftp-data any any -> any any (file.data; content:"data-marker"; ftpdata_command:retr; sid:173;)
alert ftp-data any any -> any any (file.data; content:"loot-marker"; ftpdata_command:stor; sid:174;)
alert ssh any any -> any any (ssh.software; content:"libssh"; sid:180;)
alert ssh any any -> any any (ssh.hassh.string; content:"client-method-0,other"; startswith; sid:181;)
alert ssh any any -> any any (ssh.hassh.server.string; content:"server-method-3"; sid:182;)
alert smb any any -> any any (smb.share; content:"|5c|Data"; endswith; sid:190;)
alert smb any any -> any any (smb.ntlmssp_user; content:"mallory"; smb.ntlmssp_domain; content:"CORP"; sid:191;)
alert smb any any -> any any (file.data; content:"smb-marker"; sid:192;)
"#;

/// Of streams, for what is said once.
pub(crate) const STREAMS: &str = r#"
alert tcp any any -> any any (content:"alpha-beta-gamma"; sid:200;)
alert tcp any any -> any any (flow:established,to_server; content:"first"; content:"second"; distance:4; within:6; sid:201;)
alert tcp any any -> any any (content:"key="; pcre:"/key=[0-9]{4}\x3b/"; sid:202;)
alert tcp any any -> any 9999 (content:"LEN"; byte_jump:2,0,relative; content:"TARGET"; within:6; sid:203;)
alert tcp any any -> any any (content:"|3b|LEN"; byte_extract:2,0,far,relative; content:"TARGET"; distance:far; within:6; sid:204;)
alert tcp any any -> any any (content:"N|07|"; byte_test:1,=,7,-1,relative; content:"seven-on"; distance:7; within:8; sid:205;)
alert tcp any any -> any any (content:"caseless"; nocase; isdataat:100,relative; sid:206;)
alert tcp any any -> any any (content:"early-part"; content:"late-part"; distance:1000; within:1200; sid:207;)
alert tcp-stream any any -> any any (content:"|01 02|HELLO"; startswith; sid:208;)
alert tcp any any -> any 80 (flow:to_server; content:"GET /second"; content:"id=42"; distance:0; sid:209;)
alert tcp any 80 -> any any (flow:to_client; content:"HTTP/1.1 404"; sid:210;)
alert tcp any any -> any any (content:"login-now"; flowbits:set,in; sid:211;)
alert tcp any any -> any any (content:"granted-it"; flowbits:isset,in; sid:212;)
alert tcp any any -> any any (content:"leave-now"; flowbits:isset,in; sid:213;)
alert tcp any any -> any any (content:"ask-5-six"; pcre:"/ask-(?P<n>\d)-six/"; sid:214;)
alert tcp any any -> any any (flow:to_client; content:"answer-3-six"; sid:215;)
alert http any any -> any any (flow:to_server,established; content:"GET /last"; sid:216;)
alert tls any any -> any any (content:"|03 03 07 07 07|"; sid:217;)
"#;

/// Of streams, for what is said again and again: how often they alert is a matter of the pieces that are looked
/// at, there as in Suricata.
pub(crate) const REPEATED: &str = r#"
alert tcp any any -> any any (content:"again-and-again"; sid:300;)
alert tcp any any -> any any (flow:to_client; pcre:"/answer-\d-six/"; sid:301;)
alert tcp any any -> any any (content:"again-and-again"; threshold:type limit,track by_src,count 1,seconds 600; sid:302;)
"#;

/// Of datagrams, which cannot be cut, only fragmented.
pub(crate) const DATAGRAMS: &str = r#"
alert udp any any -> any any (content:"datagram-marker"; sid:400;)
alert udp any any -> any any (content:"LEN"; byte_jump:2,0,relative; content:"JUMP"; within:4; sid:401;)
alert udp any any -> any any (dsize:>3000; content:"large-datagram"; isdataat:!1,relative; sid:402;)
"#;

/// Whether how often such a rule alerts must not depend on cuts.
pub(crate) fn counts(sid: u32) -> bool {
    !(300..400).contains(&sid)
}

/// The numbers of rules that alert.
pub(crate) fn sids(rules: &str) -> impl Iterator<Item = u32> {
    rules
        .lines()
        .filter(|line| !line.contains("noalert"))
        .filter_map(|line| line.rsplit_once("sid:")?.1.trim_end_matches(";)").parse().ok())
}

pub(crate) fn all() -> String {
    [TRANSACTIONS, STREAMS, REPEATED, DATAGRAMS].concat()
}

/// Of hosts: what was found in one flow decides about others.
pub(crate) const HOSTS: &str = r#"
alert http any any -> any any (http.uri; content:"/login"; threshold:type threshold,track by_src,count 3,seconds 3600; sid:500;)
alert http any any -> any any (http.uri; content:"/login"; threshold:type limit,track by_dst,count 5,seconds 3600; sid:501;)
alert http any any -> any any (http.uri; content:"/login"; threshold:type both,track by_both,count 2,seconds 3600; sid:502;)
alert http any any -> any any (http.uri; content:"/login"; detection_filter:track by_src,count 2,seconds 3600; sid:503;)
alert http any any -> any any (http.uri; content:"/login"; detection_filter:track by_dst,count 17,seconds 3600; sid:504;)
alert http any any -> any any (http.uri; content:"/login"; threshold:type threshold,track by_rule,count 7,seconds 3600; sid:505;)
alert http any any -> any any (http.uri; content:"/login"; threshold:type backoff,track by_flow,count 1,multiplier 2; sid:506;)
alert http any any -> any any (http.uri; content:"/login"; threshold:type limit,track by_flow,count 1,seconds 3600; sid:507;)
alert http any any -> any any (http.uri; content:"/mark"; xbits:set,marked,track ip_src,expire 3600; sid:510;)
alert dns any any -> any any (dns.query; content:"example"; xbits:isset,marked,track ip_src; sid:511;)
alert dns any any -> any any (dns.query; content:"example"; xbits:isnotset,marked,track ip_src; sid:512;)
alert http any any -> any any (http.uri; content:"/unmark"; xbits:unset,marked,track ip_src; sid:513;)
alert http any any -> any any (http.uri; content:"/turn"; xbits:toggle,odd,track ip_dst,expire 3600; sid:514;)
alert http any any -> any any (http.uri; content:"/login"; xbits:isset,odd,track ip_dst; sid:515;)
alert tcp any any -> any 9999 (content:"set-the-pair"; xbits:set,pair,track ip_pair,expire 600; sid:516;)
alert http any any -> any any (http.uri; content:"/login"; xbits:isset,pair,track ip_pair; sid:517;)
alert http any any -> any any (http.uri; content:"/mark"; hostbits:set,seen,src; hostbits:set,visited,dst; sid:520;)
alert tcp any any -> any 9999 (content:"ask-hosts"; hostbits:isset,seen,src; hostbits:isset,visited,dst; sid:521;)
alert udp any any -> any 9998 (content:"ask-hosts"; hostbits:isset,visited,both; sid:522;)
alert tcp any any -> any 9999 (content:"left-open"; threshold:type threshold,track by_rule,count 3,seconds 36000; sid:530;)
alert tcp any any -> any 9999 (content:"left-open"; xbits:toggle,left,track ip_dst,expire 36000; sid:531;)
alert tcp any any -> any 9999 (content:"left-open"; xbits:isset,left,track ip_dst; sid:532;)
"#;
