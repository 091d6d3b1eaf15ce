"""Every key of the configuration: what it takes, what it means, how it looks. Files and docs are held to this table."""

from dataclasses import replace
from typing import Final

from exporter.config.kinds import BUCKETS, HEADER, PATH, SECRET, TARGETS, TIMEZONE, URL
from exporter.config.settings import MAX_VALUES, SECRET_HEADERS
from exporter.yamlfile.kinds import BOOLEAN, RATE, TEXT, choice, duration, integer, listed
from exporter.yamlfile.schema import Key

AUTH_TYPE: Final = choice("none", "header", "bearer", "hmac", "standard")

_PLATFORM: Final = (
    Key(
        "secrets",
        listed(SECRET, "secrets"),
        "Any one of them lets a request in, so that they can be exchanged without a gap.",
        '["s3cr3t-of-autumn", "s3cr3t-of-winter"]',
    ),
    Key(
        "secret_files",
        listed(PATH, "paths"),
        "Files that hold one secret each, beside `secrets`; a relative path starts at the configuration's directory.",
        "[/run/secrets/interactly]",
        "none",
    ),
    Key(
        "auth",
        AUTH_TYPE,
        "Short for `auth.type`. `none` accepts unauthenticated requests, without it a public address needs a secret.",
        "none",
        "header",
    ),
    Key(
        "auth.type",
        AUTH_TYPE,
        "The secret arrives in a header or as a bearer token, or signs the request: `hmac` as Vapi's credentials do,"
        " `standard` as Standard Webhooks does.",
        "hmac",
    ),
    Key(
        "auth.header",
        HEADER,
        "Types header and bearer: the header that is read instead of the default; bearer reads it beside"
        " `Authorization`. Either of Interactly's two spellings stands for both.",
        "x-webhook-secret",
        "`x-vapi-secret`; for Interactly `x-interactly-secret` and `X-INTERACTLY.AI-SECRET`",
    ),
    Key("auth.algorithm", choice("sha256", "sha512", "sha1"), "Type hmac: digest.", "sha512"),
    Key("auth.signature_header", HEADER, "Type hmac: header of the signature.", "x-vapi-signature"),
    Key("auth.timestamp_header", HEADER, "Type hmac: header of the timestamp.", "x-vapi-timestamp"),
    Key("auth.id_header", HEADER, "Type hmac: header of what `{svix-id}` stands for.", "webhook-id"),
    Key(
        "auth.payload_format",
        TEXT,
        "Type hmac: what is signed, with any of `{timestamp}` `{body}` `{method}` `{url}` `{svix-id}`.",
        '"{svix-id}.{timestamp}.{body}"',
    ),
    Key("auth.encoding", choice("hex", "base64"), "Type hmac: how the signature is written.", "base64"),
    Key("auth.prefix", TEXT, "Type hmac: what stands before the signature.", '"sha256="'),
    Key("auth.secret_is_base64", BOOLEAN, "Type hmac: the key is the decoded secret.", "true"),
    Key(
        "auth.tolerance",
        duration(zero=True),
        "Types hmac and standard: how far the timestamp may be from now, either way; 0 leaves it unchecked.",
        "1m",
    ),
    Key(
        "auth.timestamp_unit",
        choice("auto", "s", "ms"),
        "Types hmac and standard: seconds or milliseconds; `auto` goes by size.",
        "ms",
    ),
    Key("relay.url", URL, "The application behind the exporter.", "http://127.0.0.1:8080/hook", "no relay"),
    Key("relay.timeout", duration(), "Until the application's answer is complete.", "5s"),
    Key(
        "relay.ack",
        choice("application", "exporter"),
        "Whose answer the platform gets: the application's, or the exporter's as soon as the event is durable.",
        "exporter",
    ),
    Key(
        "relay.targets",
        TARGETS,
        "Further applications, each with a `url` and optionally the `events` it gets; their answers are not used.",
        "[{url: http://127.0.0.1:8081/hook, events: [end-of-call-report]}]",
    ),
    Key("relay.forward_secret", BOOLEAN, "Whether the platform's secret goes on to the application.", "true"),
)

_SHARED: Final = (
    Key("webhooks.max_body_bytes", integer(), "Largest body in bytes, before and after decompression.", "1048576"),
    Key("webhooks.read_timeout", duration(), "Until the body of a request is complete.", "5s"),
    Key("labels.assistant_id", BOOLEAN, "Whether assistants are told apart; false folds them together.", "false"),
    *(
        Key(f"labels.max_values.{label}", integer(), f"Distinct values of `{label}`; further ones are `other`.", "200")
        for label in MAX_VALUES
    ),
    Key("labels.max_series", integer(), "Label sets in all; a new one beyond them folds to `other`.", "50000"),
    Key("labels.ttl", duration(), "A value unused this long, with no open call, goes with its series.", "7d"),
    Key("calls.idle_timeout", duration(), "A call silent for this long expires.", "1h"),
    Key(
        "calls.max_retries",
        integer(),
        "The retryable error of a type in one call that counts as `retries_exhausted`.",
        "5",
    ),
    Key("calls.retention", duration(), "How long an ended call is remembered, to know late duplicates.", "2d"),
    Key("calls.max_tracked", integer(), "Calls remembered at once; the one silent for longest goes first.", "20000"),
    Key("timezone", TIMEZONE, "Time zone of the metrics by hour.", "Europe/Berlin"),
    Key(
        "buckets",
        BUCKETS,
        "Bounds of histograms by metric name without `voice_`. Bounds that the alerts' thresholds use must be there:"
        " 3 in `response_seconds`, 3 and 5 in `llm_response_seconds`.",
        "{llm_response_seconds: [0.5, 1, 3, 5]}",
        "those of the metrics reference",
    ),
    Key("limits.max_connections", integer(), "Connections open at once.", "200"),
    Key("limits.max_in_flight", integer(), "Webhook requests being answered at once.", "200"),
    Key("limits.rate_limit", RATE, "Webhook requests a second from one address.", "20"),
)

_HEADER: Final = Key(
    "webhooks.interactly.header",
    HEADER,
    "Short for `auth.header`.",
    "x-interactly-secret",
    "see `auth.header`",
)

KEYS: Final = (
    *(replace(key, path=f"webhooks.{platform}.{key.path}") for platform in SECRET_HEADERS for key in _PLATFORM),
    _HEADER,
    *_SHARED,
)
"""All keys, as paths from the root of the file."""

REFERENCE: Final = (*(replace(key, path=f"webhooks.<platform>.{key.path}") for key in _PLATFORM), _HEADER, *_SHARED)
"""All keys as the reference lists them: once for all platforms."""
