"""Session descriptions and offer/answer (RFC 8866, RFC 3264). Pure: bytes in, bytes and facts out."""
