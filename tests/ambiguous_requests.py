# SPDX-License-Identifier: Apache-2.0

"""Requests of HTTP/1.1 whose end is not the same for everybody.

RFC 9112, sections 2.2, 5.1, 5.2, 6 and 7.1; each is for one connection.
"""

_POST = b'POST /body HTTP/1.1\r\nHost: a\r\n'
#: Requests that somebody might read in another way: as two, or of another
#: length. A second one is what would be smuggled.
SMUGGLED = b'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
AMBIGUOUS = {
    'length and chunks': _POST + b'Content-Length: 44\r\nTransfer-Encoding: '
    b'chunked\r\n\r\n0\r\n\r\n' + SMUGGLED,
    'chunks and length': _POST + b'Transfer-Encoding: chunked\r\n'
    b'Content-Length: 44\r\n\r\n0\r\n\r\n' + SMUGGLED,
    'two lengths': _POST + b'Content-Length: 0\r\nContent-Length: 39\r\n\r\n'
    + SMUGGLED,
    'two equal lengths': _POST + b'Content-Length: 0\r\nContent-Length: 0'
    b'\r\n\r\n' + SMUGGLED,
    'a list of lengths': _POST + b'Content-Length: 0, 0\r\n\r\n' + SMUGGLED,
    'a signed length': _POST + b'Content-Length: +0\r\n\r\n' + SMUGGLED,
    'a length with an underscore': _POST + b'Content-Length: 3_9\r\n\r\n'
    + SMUGGLED,
    'a space before the colon': _POST + b'Content-Length : 39\r\n\r\n'
    + SMUGGLED,
    'a tab before the colon': _POST + b'Transfer-Encoding\t: chunked\r\n\r\n'
    b'0\r\n\r\n' + SMUGGLED,
    'a folded header': _POST + b'X: a\r\n Content-Length: 39\r\n\r\n'
    + SMUGGLED,
    'a folded length': _POST + b'Content-Length:\r\n 39\r\n\r\n' + SMUGGLED,
    'bare line feeds': b'POST /body HTTP/1.1\nHost: a\n'
    b'Content-Length: 39\n\n' + SMUGGLED,
    'one bare line feed': _POST + b'X: a\nContent-Length: 39\r\n\r\n'
    + SMUGGLED,
    'a bare carriage return': _POST + b'X: a\rContent-Length: 39\r\n\r\n'
    + SMUGGLED,
    'chunks of another kind': _POST + b'Transfer-Encoding: xchunked\r\n\r\n'
    b'0\r\n\r\n' + SMUGGLED,
    'chunks twice': _POST + b'Transfer-Encoding: chunked, chunked\r\n\r\n'
    b'0\r\n\r\n' + SMUGGLED,
    'chunks in two headers': _POST + b'Transfer-Encoding: chunked\r\n'
    b'Transfer-Encoding: identity\r\n\r\n0\r\n\r\n' + SMUGGLED,
    'chunks of HTTP/1.0': b'POST /body HTTP/1.0\r\nHost: a\r\n'
    b'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n' + SMUGGLED,
    'a size with 0x': _POST + b'Transfer-Encoding: chunked\r\n\r\n0x0\r\n'
    b'\r\n' + SMUGGLED,
    'a size with a sign': _POST + b'Transfer-Encoding: chunked\r\n\r\n+0\r\n'
    b'\r\n' + SMUGGLED,
    'a size with a space': _POST + b'Transfer-Encoding: chunked\r\n\r\n0 \r\n'
    b'\r\n' + SMUGGLED,
    'a size that ends in a line feed': _POST + b'Transfer-Encoding: chunked'
    b'\r\n\r\n0\n\n' + SMUGGLED,
    'an extension with a line feed': _POST + b'Transfer-Encoding: chunked'
    b'\r\n\r\n1;a\nb\r\nx\r\n0\r\n\r\n' + SMUGGLED,
    'a chunk longer than its size': _POST + b'Transfer-Encoding: chunked\r\n'
    b'\r\n1\r\nxy\r\n0\r\n\r\n' + SMUGGLED,
    'another protocol': b'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade'
    b'\r\nUpgrade: h2c\r\n\r\n' + SMUGGLED,
    'another version': b'POST /body HTTP/2.0\r\nHost: a\r\n'
    b'Content-Length: 39\r\n\r\n' + SMUGGLED,
    'no version': b'GET /\r\n' + SMUGGLED,
    'a tunnel': b'CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n' + SMUGGLED,
}
