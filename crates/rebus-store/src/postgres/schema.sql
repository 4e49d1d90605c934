-- What a store on a server is: as in `sqlite/schema.sql`, but that the database keeps the index of nearest vectors and that words
-- are a table. A change here is a new version and a step in `prepare`. Texts are compared byte by byte, wherever the server runs.

CREATE TABLE about (name text PRIMARY KEY, value text NOT NULL);

CREATE TABLE source (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, path text COLLATE "C" NOT NULL UNIQUE);

CREATE TABLE container (path text COLLATE "C" PRIMARY KEY, stamp text NOT NULL);

-- `length` is how many words it has.
CREATE TABLE item (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path text COLLATE "C" NOT NULL UNIQUE,
    container text COLLATE "C" NOT NULL,
    stamp text NOT NULL,
    hash text,
    reason text,
    fields text NOT NULL,
    length integer NOT NULL
);
CREATE INDEX item_container ON item (container);

CREATE TABLE field (
    item bigint NOT NULL REFERENCES item ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    text text COLLATE "C",
    lowered text COLLATE "C",
    number double precision
);
CREATE INDEX field_item ON field (item, name);
CREATE TABLE column_name (name text COLLATE "C" PRIMARY KEY);

-- Every word of every item, at its place.
CREATE TABLE word (
    word text COLLATE "C" NOT NULL,
    item bigint NOT NULL REFERENCES item ON DELETE CASCADE,
    place integer NOT NULL,
    PRIMARY KEY (word, item, place)
);
CREATE INDEX word_item ON word (item);

CREATE TABLE embedding (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    part smallint NOT NULL,
    hash text COLLATE "C" NOT NULL,
    data vector NOT NULL,
    UNIQUE (part, hash)
);
CREATE TABLE item_embedding (
    item bigint NOT NULL REFERENCES item ON DELETE CASCADE,
    embedding bigint NOT NULL REFERENCES embedding,
    PRIMARY KEY (item, embedding)
);
CREATE INDEX item_embedding_embedding ON item_embedding (embedding);
