-- A journal of version 1, as the command .dump of sqlite3 writes it; with version-1-snapshot.jsonl.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE meta(name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES('baseSum','6fb2afde0a2487e32e28ee91ab5c86bb');
INSERT INTO meta VALUES('cluster','00112233445566778899aabbccddeeff');
INSERT INTO meta VALUES('snapshotRecords','6');
INSERT INTO meta VALUES('snapshotSeq','8');
INSERT INTO meta VALUES('snapshotSum','20fe0d6f51a2a7b5d68b75b1b9b471c6');
CREATE TABLE records(seq INTEGER PRIMARY KEY, body TEXT NOT NULL, chain BLOB NOT NULL);
INSERT INTO records VALUES(9,'{"type":"restarted","incarnation":2,"cluster":"00112233445566778899aabbccddeeff","at":2000,"nextSession":3,"nextExecution":2}',X'151f3f1eaf87f15c8c2b588cebcf1721');
INSERT INTO records VALUES(10,'{"type":"executionCreated","execution":2,"session":2,"name":"execution-2","update":"{\"camera\":{\"position\":[1,2,3]}}","parallel":16,"seed":2,"priority":0,"settings":"{\"camera\":{\"position\":[1,2,3]}}","width":640,"height":480,"at":2000}',X'c033f1a30267ccf4379d83bd8cbb899c');
CREATE TABLE hints(name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO hints VALUES('ports','3000');
PRAGMA application_id=1179799107;
PRAGMA user_version=1;
COMMIT;
