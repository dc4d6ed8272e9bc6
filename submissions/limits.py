"""All limits on untrusted files. A file beyond a limit is refused with the limit's name."""

# A zip
MAX_ENTRIES = 200_000
MAX_DIRECTORY_BYTES = 24 << 20
MAX_TOTAL_BYTES = 16 << 30
MAX_NAME = 255
MAX_EXTRA = 2048

# Its files: a map of 128 by 128 numbers, the widest of which have 32 bytes, a table, a manifest
MAX_NPY_HEADER = 1024
MAX_MAP_BYTES = 32 * 128 * 128 + 2 * MAX_NPY_HEADER
MAX_TABLE_BYTES = 64 << 20
MAX_TABLE_ROWS = MAX_ENTRIES
MAX_TABLE_LINE = 4096
MAX_MANIFEST_BYTES = 20 << 20
MAX_MANIFEST_WIDE_BYTES = 1 << 20
MAX_MANIFEST_VALUES = 210_000
MAX_MANIFEST_CONTAINERS = 64
MAX_TEXT = 100
MAX_HARDWARE = 64
MAX_LINK = 300
# A host with letters, digits, dots, hyphens and maybe a port, and what ASCII addresses may have after it
LINK = r"https://(?=.{1,292}\Z)[A-Za-z0-9.-]+(:[0-9]{1,5})?([/?#][!#$%&()*+,./0-9:;=?@A-Z_a-z~\[\]-]*)?"

# A data set, HDF5
MAX_CASES = 1_000_000  # the whole challenge has 612,834 to train on, and 76,000 to predict
MAX_CASE_BYTES = 1 << 20
MAX_COLUMNS = 32
MAX_FIELDS = 256
MAX_SOURCE = 1 << 20

# A data set, pickled: steps of reading and containers, and one more for so many bytes of the file;
# bytes beyond this many times the file's own
MAX_PICKLE_READS, PICKLE_BYTES_A_READ = 6_000_000, 64
MAX_PICKLE_OBJECTS, PICKLE_BYTES_AN_OBJECT = 2_000_000, 128
MAX_PICKLE_GROWTH = 4
MAX_PICKLE_BYTES = 64 << 20
