"""What every page is: one self-contained document, which loads and runs nothing but its own style."""

import base64
from hashlib import sha256
from html import escape


def headers(style: str) -> dict[str, str]:
    """Headers of a page with that style."""
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        f"style-src 'sha256-{digest}'",
        "Referrer-Policy": "no-referrer",
    }


def document(title: str, style: str, body: str) -> str:
    """The page; ``body`` is HTML already."""
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{style}</style></head><body>{body}</body></html>\n'
    )
