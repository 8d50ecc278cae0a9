# What a decode program is made of: plain structs, set up once by Program (program.pyx) and never changed afterwards, so
# that any thread may run one. Nothing here points into Python.
#
# A *value* is a tag's type, order and scaling; an *item* says where elements of a value lie in the image; an
# *operation* is a run of items of one kind. The *image* is the native registers of a plan's reads, one after the
# other; a read of bits has one byte a bit there.

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    LANES = 64                  # values that are worked on together
    NOT_READ = 0xFFFFFFFF       # as mb_member.read: a value that no read has
    MAX_EXPONENT = 22           # of scale factors: the powers of ten that a double holds exactly

cdef enum mb_kind:              # in the order of KINDS in program.pyx
    KIND_COIL = 0
    KIND_BIT
    KIND_STRING
    KIND_U8
    KIND_U16
    KIND_U32
    KIND_U64
    KIND_BCD16
    KIND_BCD32
    KIND_I8
    KIND_I16
    KIND_I32
    KIND_I64
    KIND_F16
    KIND_F32
    KIND_F64
    KIND_COUNT

cdef enum mb_form:              # what a column of values holds
    FORM_FLOAT64 = 0
    FORM_FLOAT32
    FORM_RAW                    # the device's own number, bool or string

cdef enum mb_treatment:         # how much there is to do to a number
    TREAT_NONE = 0
    TREAT_SCALE                 # scale and offset
    TREAT_CHECK                 # also scale factors that are read, missing values, valid range

cdef enum mb_value_flag:
    VALUE_SINGLE = 1            # no array
    VALUE_WHOLE = 2             # an integer without scaling
    VALUE_SHARED = 4            # the column of values is that of raw numbers, too
    VALUE_COPIED = 8            # it has just the bits of the registers, in order
    VALUE_LIMITED = 16          # low and high mean something

cdef enum mb_quality:           # as in files: quality.py has their meanings
    QUALITY_GOOD = 0
    QUALITY_TIMEOUT = 1
    QUALITY_LINK = 2
    QUALITY_PROTOCOL = 3
    QUALITY_MISSED = 4
    QUALITY_SUSPENDED = 5
    QUALITY_MISSING = 6
    QUALITY_RANGE = 7
    QUALITY_TORN = 8
    QUALITY_EXCEPTION = 0x80        # or-ed with the code of the device's exception

cdef struct mb_value:
    uint8_t kind                # mb_kind
    uint8_t form                # mb_form
    uint8_t treatment           # mb_treatment
    uint8_t swaps               # mb_swap, for this host; SWAP_BYTES of an 8-bit value: the high byte
    uint8_t bit                 # KIND_BIT: of the first register
    uint8_t flags               # mb_value_flag
    uint16_t size               # bytes of an element of the column
    uint16_t raw_size           # bytes of the device's number, 0 for bools and strings
    uint16_t width              # registers of an element
    uint32_t count              # elements; a row of the column has all of them
    int32_t factor              # index of mb_factor, or -1
    uint32_t missing            # index of the first mb_missing
    uint32_t missing_count
    double multiply
    double divide
    double offset
    double low
    double high

cdef struct mb_missing:
    uint64_t bits               # of the integer at its own width, or of the double that a float equals
    uint32_t text               # a string: where it is in mb_program.texts
    uint32_t text_size

cdef struct mb_item:
    uint32_t value
    uint32_t source             # register of the image (KIND_COIL: byte)
    uint32_t first              # element of the value
    uint32_t count              # elements; 1 for each item of a scattered operation

cdef struct mb_operation:       # items whose values have the same kind, form, treatment, swaps
    uint32_t item               # the first
    uint32_t count
    uint32_t scattered          # every item is a single element

cdef struct mb_factor:
    uint32_t source
    uint32_t read
    uint32_t value              # what the factor itself is
    int32_t constant            # known without reading
    uint8_t is_constant

cdef struct mb_member:
    uint32_t read
    uint32_t value
    uint32_t first
    uint32_t count

cdef struct mb_twin:            # a scale factor read twice, and the values between the two readings
    uint32_t source
    uint32_t again
    uint32_t read               # of the second reading
    uint32_t width
    uint32_t member             # the first in mb_program.torn
    uint32_t count

cdef struct mb_program:
    mb_value* values
    mb_item* items
    mb_operation* operations
    mb_factor* factors
    mb_missing* missing
    mb_member* members          # of all reads
    mb_member* torn
    mb_twin* twins
    uint8_t* texts
    uint32_t value_count, item_count, operation_count, factor_count, missing_count, member_count, torn_count, twin_count
    uint32_t image_size         # registers
    uint32_t read_count

cdef struct mb_output:          # a column; its rows follow each other
    uint8_t* values
    uint8_t* raw                # the device's numbers; NULL for VALUE_SHARED, or where nobody wants them
    uint8_t* quality            # one byte an element; NULL where nobody wants it
