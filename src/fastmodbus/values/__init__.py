"""From registers to values and back: ``decode`` and ``encode`` for registers one has, decoders of read plans, writes.

What a value means is compiled here into what the core's decode program takes; the core does the work. No I/O.
"""

from .compiling import column_dtype, raw_column_dtype
from .conversion import decode, encode
from .decoder import Decoder, Table
from .writing import Encoded, encode_tag

__all__ = ["Decoder", "Encoded", "Table", "column_dtype", "decode", "encode", "encode_tag", "raw_column_dtype"]
