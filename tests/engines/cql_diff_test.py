#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random schemas and statements through the Python driver, on a real Cassandra and on millrace: the same answers.

Compared are rows with their order, pages, names and types of columns, code and words of errors. Where
millrace and Cassandra may differ stands in docs/cql-compatibility.md, and in allowed() here.
"""
import logging
import os
import random
import re
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..', 'lib')]
import clients

PYTHON = clients.venv('cassandra-driver', 'cassandra-driver==3.30.1', 'lz4', 'python-snappy')
if os.path.dirname(os.path.abspath(sys.executable)) != os.path.dirname(PYTHON):
    os.execv(PYTHON, [PYTHON, *sys.argv])

from cassandra import DriverException
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from cassandra.policies import ConstantReconnectionPolicy, FallthroughRetryPolicy, RoundRobinPolicy
from cassandra.protocol import _ProtocolHandler
from cassandra.query import SimpleStatement, tuple_factory

import differential
import millrace
from cql_program import Generator
from cql_values import normal

SEEDS, STEPS = 30, 120


class Target:
    """A server and a session there."""

    def __init__(self, name, port):
        self.name = name
        profile = ExecutionProfile(load_balancing_policy=RoundRobinPolicy(), retry_policy=FallthroughRetryPolicy(), row_factory=tuple_factory,
                                   request_timeout=60)
        self.cluster = Cluster(['127.0.0.1'], port=port, protocol_version=5, execution_profiles={EXEC_PROFILE_DEFAULT: profile},
                               reconnection_policy=ConstantReconnectionPolicy(0.1, None), schema_metadata_enabled=False, token_metadata_enabled=False, connect_timeout=60, control_connection_timeout=60)
        self.session = self.cluster.connect()
        self.session.client_protocol_handler = _ProtocolHandler  # the compiled one fails on a null in a list, and ends the connection

    def execute(self, statement):
        """The driver shuts its connection on a value that it cannot read: nothing was sent then, and the next one is waited for."""
        for left in range(20, -1, -1):
            try:
                return self.session.execute(statement)
            except NoHostAvailable:
                if not left:
                    raise
                time.sleep(0.2)

    def answer(self, statement):
        """What comes of a statement, so that it can be compared."""
        try:
            if statement.values is None:
                result = self.execute(SimpleStatement(statement.text, fetch_size=statement.page or 5000))
            else:
                prepared = self.session.prepare(statement.text)
                kinds = [(one.name, one.type.cql_parameterized_type()) for one in prepared.column_metadata]
                bound = prepared.bind(statement.values)
                bound.fetch_size = statement.page or 5000
                result = self.execute(bound)
            pages = []
            while True:
                pages.append([normal(list(row)) for row in result.current_rows])
                if not result.has_more_pages or len(pages) > 200:
                    break
                result.fetch_next_page()
            # Where a page is just full, Cassandra may tell of one more, which is empty.
            out_of_size = [len(page) for page in pages if len(page) > (statement.page or 5000)]
            names = result.column_names
            types = [one.cql_parameterized_type() for one in result.column_types or []]
            out = {'names': names, 'types': types, 'rows': [row for page in pages for row in page], 'too large': out_of_size, 'warnings': result.response_future.warnings or []}
            if statement.values is not None:
                out['markers'] = kinds
            return out
        except DriverException as e:
            return {'error': str(e)}
        except (ValueError, TypeError, KeyError, AttributeError) as e:  # the driver refuses to bind or to read it
            return {'driver': f'{type(e).__name__}: {e}'}
        except Exception as e:
            return {'error': f'{type(e).__name__}: {getattr(e, "errors", e)}'}


# Of two mistakes of a statement Cassandra names the one on the right, and millrace the one on the left.
MISTAKES = [(re.compile(here), re.compile(there)) for here, there in [
    (r'Materialized views are disabled', r'materialized view|not exist|view'),
    (r'Ambiguous negation', r'system\._negate'),
    (r'Type error: \[.* function system\.token', r'Unexpected receiver type'),
    (r'Invalid null value in condition', r'Key may not be empty'),  # of two statements of a batch
    (r'Undefined column name', r'Invalid .* (literal|constant)'),  # of an INSERT: names are looked at before values here
    (r'Range deletions are not supported', r'clustering keys are missing'),  # likewise
    (r'', r'Invalid call to function system\.cast_as_\w+, none of its'),  # of a descending column, to its own type
]]


def code(answer):
    found = re.search(r'code=([0-9a-fA-F]{4})', answer.get('error', ''))
    return found and found.group(1)


def allowed(statement, answers):
    """The name of a difference that docs/cql-compatibility.md tells, or None."""
    here, there = answers
    if code(there) in ('0000', '1300', '1500') and code(here) != '0000':
        return f'Cassandra fails inside (code {code(there)})'
    if "Ambiguous '" in there.get('error', '') and 'operation with args' in there['error']:
        return 'an operation for a descending column'  # whose type Cassandra does not know there
    if code(here) and code(there):
        if code(here) == code(there) == '2000':
            return 'words of a syntax error'
        if unordered(here) == unordered(there):
            return 'order of signatures in an error'
        if here['error'].replace('system.', '') == there['error'].replace('system.', ''):
            return 'a function with its keyspace in an error'
        if re.search('LIKE restriction is only supported|Unsupported "', here['error']) and 'system."_' in there['error']:
            return 'an operation in an error about its relation'
        if any(one.search(here['error']) and other.search(there['error']) for one, other in MISTAKES):
            return 'which of two mistakes is named'
        return None
    text = getattr(statement, 'text', '')
    if 'cast(' in text and repr(here) == re.sub(r'cast\((\w+) as \w+\)', r'\1', repr(there)):
        return 'cast of a descending column to its own type'
    if 'Invalid HEX constant' in here.get('error', '') and 'tinyint' in here['error']:
        return 'a hexadecimal constant of several bytes for a tinyint'
    if 'rows' in here and 'rows' in there and re.search(r'to(Date|Timestamp|UnixTimestamp)\(| as (timestamp|date)\)', text) and same_but_times(here, there):
        return 'times that no calendar has'
    if "mismatched character '<EOF>'" in there.get('error', '') and '--' in text:
        return 'a comment that ends the statement'
    if 'Invalid value for the paging state' in there.get('error', '') and 'rows' in here:
        return 'Cassandra refuses a paging state of its own'
    if repr(here).replace('to_json', 'tojson') == repr(there).replace('to_json', 'tojson'):
        return 'to_json or tojson'  # there by which of them was called first since the start
    if 'types' in here and LEGACY in there.get('types', []):
        return 'name of the type of min and max of timeuuid'
    if 'types' in here and 'types' in there:
        one = {**here, 'types': [LEGACY if name == 'timeuuid' else name for name in here['types']]}
        if one == {**there, 'types': [LEGACY if name == 'timeuuid' else name for name in there['types']]}:
            return 'name of the type of min and max of timeuuid'
    return None


def same_but_times(here, there):
    times = re.compile(r'(Date|Timestamp|datetime)[^\]]*|-?\d{12,}|[-+]\d{5,}-\d\d-\d\d[^"]*')
    return times.sub('', repr(here)) == times.sub('', repr(there))


LEGACY = "'org.apache.cassandra.db.marshal.LegacyTimeUUIDType'"


def unordered(answer):
    return sorted(re.findall(r'[\w.]+ : [^,:)]*\)? -> \w+', answer['error'])), re.sub(r'\(.*', '', answer['error'])


def one_seed(targets, seed, options):
    generator = Generator(seed)
    keyspace = f'd{seed}_{random.SystemRandom().randrange(1 << 30):x}'
    trace, used, steps = [], {}, 0
    difference = None
    for target in targets:
        target.session.execute(f"CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}")
        target.session.execute(f'USE {keyspace}')
    waiting = generator.opening()
    left = options.steps or STEPS
    while waiting or left > 0:
        statement = waiting.pop(0) if waiting else generator.statement()
        left -= 1
        steps += 1
        answers = [target.answer(statement) for target in targets]
        shown = [re.sub(keyspace, 'ks', repr(answer)) for answer in answers]
        trace.append(f'{steps} {statement!r}\n    {shown[0][:600]}')
        if any(answer != answers[0] for answer in answers[1:]):
            why = allowed(statement, answers)
            if why is None:
                difference = f'seed {seed}, step {steps}: {statement!r}\n' + '\n'.join(
                    f'  {target.name}: {answer[:1500]}' for target, answer in zip(targets, shown))
                difference += ''.join(f'\n  differs: {line}' for line in differential.unlike(*answers))
                definitions = [line for line in trace if re.match(r'\d+ (CREATE|ALTER|DROP)', line)]
                difference += '\n  after\n' + '\n'.join('  ' + line.split('\n')[0] for line in definitions)
                break
            used[why] = used.get(why, 0) + 1
            if os.environ.get('DIFF_TELL'):
                print(f'# {why}: {statement!r}\n#   ' + '\n#   '.join(answer[:300] for answer in shown), flush=True)
            if ('error' in answers[0]) != ('error' in answers[-1]) and not statement.text.startswith('SELECT'):
                break  # what they hold is not the same any more
        generator.learn(statement, 'error' not in answers[0])
        if left == 0:
            waiting = generator.closing()
    if difference and options.trace:
        print('\n'.join('# ' + line for one in trace for line in one.split('\n')), flush=True)
    for target in targets:
        target.execute(f'DROP KEYSPACE {keyspace}')
    return steps, difference, used


def main():
    logging.disable(logging.CRITICAL)
    options = differential.arguments(__doc__)
    here, process = (options.here, None) if options.here else differential.start_millrace('cql')
    targets = [Target('millrace', here)]
    if not options.alone:
        there = options.there or differential.start_engine('cassandra', '--heap', '1024')
        targets.append(Target('Cassandra', there))
    millrace.at_end.extend(target.cluster.shutdown for target in targets)
    differential.run(options, lambda seed: one_seed(targets, seed, options), process, options.seeds or SEEDS, 'CQL')


if __name__ == '__main__':
    main()
