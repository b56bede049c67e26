# SPDX-License-Identifier: MIT
"""What check says of properties that change rows, of tables behind a mistake, and of names that are words of SQL."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'lib'))
from millrace import Project, command, main  # noqa: E402

SETTINGS = '''
sources:
  changes:
    topic: {name: changes}
    schema: id STRING, user STRING, n INT
targets:
  t: {table: test.t, key: [id, n]}
'''


def mistakes(sql):
    project = Project(SETTINGS, sql)
    return [(m['line'], m['message'], m['class']) for m in command('check', project.path, '-o', 'json').json()['mistakes']]


def table(properties):
    return f'CREATE STREAMING TABLE t TBLPROPERTIES ({properties}) AS\nSELECT id, n FROM STREAM changes;'


def properties(tap):
    for good in ("'a.b' = '1'", "'millrace.outputMode' = 'append'", "'millrace.key' = 'id, n'", "'pipelines.reset.allowed' = 'false'"):
        tap.equal(mistakes(table(good)), [], f'{good} is taken')
    for name, value in (('millrace.outputMode', 'update'), ('millrace.dedup.keys', 'id'), ('millrace.late', 'drop'),
                        ('millrace.key', 'n,id'), ('millrace.key', 'id')):
        tap.equal(mistakes(table(f"'{name}' = '{value}'")),
                  [(1, f"'{name}' = '{value}' is not supported yet", 'UNSUPPORTED_FEATURE')], f'{name} {value} is not passed over')
    tap.equal(mistakes(table("'millrace.dedup' = 'id'")), [(1, "'millrace.dedup' is no property of a table", None)],
              'a property of ours that there is not')


def behind(tap):
    found = mistakes('CREATE STREAMING TABLE t AS SELECT id, n, nothing FROM STREAM changes;\n'
                     'CREATE MATERIALIZED VIEW v AS SELECT count(*) AS c FROM t;\n'
                     'CREATE MATERIALIZED VIEW w AS SELECT * FROM v;')
    tap.equal([line for line, _, _ in found], [1], 'what reads from a mistake is not told as another one')


def words(tap):
    """A stream called changes, a column called user: both are words of Spark's grammar."""
    project = Project(SETTINGS, 'CREATE STREAMING TABLE t AS SELECT id, n, user, upper(user) AS loud FROM STREAM changes;\n'
                                'CREATE STREAMING TABLE u AS SELECT c.user FROM STREAM changes c WHERE user <> \'x\';')
    command('run', project.path, '--until-idle', '--quiet', '1ms')
    project.must('produce', 'changes', input='{"id":"1","user":"ann","n":1}\n{"id":"2","user":"x","n":2}\n')
    tap.equal(command('run', project.path, '--until-idle', '--quiet', '50ms').code, 0, 'it runs')
    tap.equal(sorted(project.sql('SELECT id, n, `user`, loud FROM t')), [['1', '1', 'ann', 'ANN'], ['2', '2', 'x', 'X']],
              'the column is read, not the function')
    tap.equal(project.sql('SELECT `user` FROM u'), [['ann']], 'also in WHERE')


main(properties, behind, words)
