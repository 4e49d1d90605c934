-- What a store is. A change here is a new version and a step in `migrate`.

CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

-- What a person told the store to index.
CREATE TABLE source (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE) STRICT;

-- Collections that were read as a whole: while the stamp is the same, none of their records is read again.
CREATE TABLE container (path TEXT PRIMARY KEY, stamp TEXT NOT NULL) STRICT;

-- A file, or a record of a collection. `hash` is that of its content; where that could not be read, `reason` says why.
CREATE TABLE item (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL UNIQUE,
    container TEXT NOT NULL,
    stamp TEXT NOT NULL,
    hash TEXT,
    reason TEXT,
    fields TEXT NOT NULL
) STRICT;
CREATE INDEX item_container ON item (container);

-- The fields once more, as filters ask for them; a list has a row for each of its texts. `lowered` is for patterns.
CREATE TABLE field (item INTEGER NOT NULL, name TEXT NOT NULL, text TEXT, lowered TEXT, number REAL) STRICT;
CREATE INDEX field_item ON field (item, name);
CREATE TABLE column_name (name TEXT PRIMARY KEY) STRICT;

-- Embeddings, float32 in little endian; `part` is 0 for a picture, 1 for a sound, 2 for a caption. Equal parts share one.
CREATE TABLE vector (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    part INTEGER NOT NULL,
    hash TEXT NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (part, hash)
) STRICT;
CREATE TABLE item_vector (item INTEGER NOT NULL, vector INTEGER NOT NULL, PRIMARY KEY (item, vector)) STRICT, WITHOUT ROWID;
CREATE INDEX item_vector_vector ON item_vector (vector);

-- Every vector that came or went, in order: by its last number a vector index knows what it has missed.
CREATE TABLE change (
    generation INTEGER PRIMARY KEY AUTOINCREMENT,
    part INTEGER NOT NULL,
    vector INTEGER NOT NULL,
    removed INTEGER NOT NULL
) STRICT;

-- Who is reading which path just now.
CREATE TABLE claim (path TEXT PRIMARY KEY, worker TEXT NOT NULL) STRICT;

-- Words with a space between each two: what is a word is not the database's to say.
CREATE VIRTUAL TABLE words USING fts5 (said, content = '', contentless_delete = 1, tokenize = 'ascii');
