//! Events of application layers, by protocol, as Suricata 8 names them.

use crate::app::AppProto;

/// What is known of an event's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It can be matched.
    Raised,
    /// Suricata has it, here nothing raises it.
    NotRaised,
    /// Suricata 8 has no such event; it leaves rules that name it out without calling them failed.
    No,
}

/// Looks an event up, without its protocol's name.
pub(super) fn known(protocol: AppProto, event: &str) -> Known {
    let (raised, others) = match protocol {
        AppProto::Http1 => (HTTP, HTTP_OTHERS),
        AppProto::Http2 => (HTTP2, HTTP2_OTHERS),
        AppProto::Dns => (DNS, NONE),
        AppProto::Tls => (TLS, TLS_OTHERS),
        AppProto::Smtp => (SMTP, SMTP_OTHERS),
        AppProto::Ftp => (FTP, NONE),
        AppProto::Ssh => (SSH, NONE),
        AppProto::Smb => (SMB, SMB_OTHERS),
        _ => (NONE, NONE),
    };
    if raised.contains(&event) {
        Known::Raised
    } else if others.contains(&event) {
        Known::NotRaised
    } else {
        Known::No
    }
}

const NONE: &[&str] = &[];

const HTTP: &[&str] = &[
    "100_continue_already_seen",
    "abnormal_ce_header",
    "compression_bomb",
    "double_encoded_uri",
    "duplicate_content_length_field_in_request",
    "duplicate_content_length_field_in_response",
    "failed_protocol_change",
    "file_name_too_long",
    "gzip_decompression_failed",
    "host_header_ambiguous",
    "invalid_authority_port",
    "invalid_content_length_field_in_request",
    "invalid_content_length_field_in_response",
    "invalid_request_chunk_len",
    "invalid_request_field_folding",
    "invalid_response_chunk_len",
    "invalid_response_field_folding",
    "invalid_transfer_encoding_value_in_request",
    "lzma_memlimit_reached",
    "method_delim_non_compliant",
    "missing_host_header",
    "multipart_generic_error",
    "multipart_invalid_header",
    "multipart_no_filedata",
    "range_invalid",
    "request_auth_unrecognized",
    "request_body_unexpected",
    "request_chunk_extension",
    "request_field_missing_colon",
    "request_field_too_long",
    "request_header_host_invalid",
    "request_header_invalid",
    "request_header_repetition",
    "request_line_incomplete",
    "request_line_invalid",
    "request_line_leading_whitespace",
    "request_line_missing_protocol",
    "request_server_port_tcp_port_mismatch",
    "request_too_many_headers",
    "request_uri_host_invalid",
    "response_abnormal_transfer_encoding",
    "response_body_unexpected",
    "response_chunk_extension",
    "response_chunked_old_proto",
    "response_field_missing_colon",
    "response_field_too_long",
    "response_header_invalid",
    "response_header_repetition",
    "response_invalid_protocol",
    "response_invalid_status",
    "response_multipart_byteranges",
    "response_too_many_headers",
    "too_many_encoding_layers",
    "unable_to_match_response_to_request",
    "uri_delim_non_compliant",
];

const HTTP_OTHERS: &[&str] = &[
    "compression_bomb_limit_reached",
    "invalid_server_port_in_request",
    "invalid_transfer_encoding_value_in_response",
    "too_many_warnings",
    "unknown_error",
];

const HTTP2: &[&str] = &[
    "authority_host_mismatch",
    "compression_bomb",
    "continuation_without_headers",
    "data_stream_zero",
    "extra_header_data",
    "failed_decompression",
    "header_table_overflow",
    "invalid_client_magic",
    "invalid_frame_data",
    "invalid_frame_length",
    "invalid_header",
    "invalid_http1_settings",
    "invalid_range",
    "long_frame_data",
    "reassembly_limit_reached",
    "stream_id_reuse",
    "too_long_repeated_headers",
    "too_many_streams",
    "userinfo_in_uri",
];

const HTTP2_OTHERS: &[&str] = &[
    "dns_request_too_long",
    "dns_response_too_long",
    "header_integer_overflow",
    "invalid_frame_header",
];

const DNS: &[&str] = &[
    "infinite_loop",
    "invalid_additionals",
    "invalid_authorities",
    "invalid_opcode",
    "malformed_data",
    "name_too_long",
    "not_request",
    "not_response",
    "too_many_labels",
    "z_flag_set",
];

const TLS: &[&str] = &[
    "certificate_invalid_algorithmidentifier",
    "certificate_invalid_date",
    "certificate_invalid_der",
    "certificate_invalid_extensions",
    "certificate_invalid_length",
    "certificate_invalid_serial",
    "certificate_invalid_version",
    "certificate_invalid_x509name",
    "dataleak_heartbeat_mismatch",
    "error_message_encountered",
    "handshake_invalid_length",
    "heartbeat_message",
    "invalid_certificate",
    "invalid_handshake_message",
    "invalid_heartbeat_message",
    "invalid_record_length",
    "invalid_record_type",
    "invalid_record_version",
    "invalid_sni_length",
    "invalid_sni_type",
    "invalid_ssl_record",
    "invalid_sslv2_header",
    "multiple_sni_extensions",
    "overflow_heartbeat_message",
    "too_many_subject_alternative_names",
];

const TLS_OTHERS: &[&str] = &[
    "certificate_invalid_issuer",
    "certificate_invalid_subject",
    "certificate_invalid_validity",
    "invalid_alert_message",
    "invalid_tls_header",
    "too_many_records_in_packet",
];

const SMTP: &[&str] = &[
    "data_command_rejected",
    "duplicate_fields",
    "invalid_bdat",
    "invalid_pipelined_sequence",
    "invalid_reply",
    "mime_invalid_base64",
    "mime_invalid_qp",
    "mime_long_boundary",
    "mime_long_enc_line",
    "mime_long_filename",
    "mime_long_header_name",
    "mime_long_header_value",
    "mime_long_line",
    "no_server_welcome_message",
    "tls_rejected",
    "truncated_line",
    "unparsable_content",
];

const SMTP_OTHERS: &[&str] = &[
    "bdat_chunk_len_exceeded",
    "failed_protocol_change",
    "max_command_line_len_exceeded",
    "max_reply_line_len_exceeded",
    "mime_parse_failed",
    "unable_to_match_reply_with_request",
];

const FTP: &[&str] = &[
    "file_before_port",
    "file_without_name",
    "request_command_too_long",
    "response_command_too_long",
    "too_many_preliminary_responses",
    "too_many_transactions",
];

const SSH: &[&str] = &["invalid_banner", "invalid_record", "long_banner", "long_kex_record"];

const SMB: &[&str] = &[
    "file_overlap",
    "malformed_data",
    "malformed_ntlmssp_request",
    "negotiate_malformed_dialects",
    "request_to_client",
    "response_to_server",
    "too_many_transactions",
];

const SMB_OTHERS: &[&str] = &[
    "internal_error",
    "negotiate_max_read_size_too_large",
    "negotiate_max_write_size_too_large",
    "read_queue_cnt_exceeded",
    "read_queue_size_exceeded",
    "read_request_too_large",
    "read_response_too_large",
    "write_queue_cnt_exceeded",
    "write_queue_size_exceeded",
    "write_request_too_large",
];
