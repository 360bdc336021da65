# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Media, their tokens, overlays and read statistics."""

from alembic import op
import sqlalchemy
from sqlalchemy.dialects import mysql

revision = '0001'
down_revision = None


def upgrade() -> None:
    """Make the tables, as they were in the first release."""
    op.create_table(
        'ext_medium',
        sqlalchemy.Column('id', sqlalchemy.String(32), primary_key=True),
        sqlalchemy.Column('node', sqlalchemy.String(36), nullable=False,
                          index=True),
        sqlalchemy.Column('purpose', sqlalchemy.String(32), nullable=False),
        sqlalchemy.Column('name', sqlalchemy.String(255), nullable=False),
        sqlalchemy.Column('image', sqlalchemy.Text, nullable=False),
        sqlalchemy.Column('digest', sqlalchemy.String(80), nullable=False),
        sqlalchemy.Column('size', sqlalchemy.BigInteger, nullable=False),
        sqlalchemy.Column('overlay_size', sqlalchemy.BigInteger,
                          nullable=False),
        sqlalchemy.Column('base_digest', sqlalchemy.String(80),
                          nullable=False, index=True),
        sqlalchemy.Column('base_size', sqlalchemy.BigInteger,
                          nullable=False),
        sqlalchemy.Column('base_href', sqlalchemy.Text),
        sqlalchemy.Column('base_etag', sqlalchemy.String(255),
                          nullable=False),
        sqlalchemy.Column('networks', sqlalchemy.Text, nullable=False),
        sqlalchemy.Column('created_at', sqlalchemy.Double, nullable=False),
        sqlalchemy.Column('expires_at', sqlalchemy.Double),
        sqlalchemy.Column('revoked_at', sqlalchemy.Double))
    op.create_table(
        'ext_medium_token',
        sqlalchemy.Column('digest', sqlalchemy.String(64),
                          primary_key=True),
        sqlalchemy.Column('medium_id', sqlalchemy.String(32),
                          nullable=False, index=True))
    op.create_table(
        'ext_medium_overlay',
        sqlalchemy.Column('medium_id', sqlalchemy.String(32),
                          primary_key=True),
        sqlalchemy.Column('number', sqlalchemy.Integer, primary_key=True,
                          autoincrement=False),
        sqlalchemy.Column(
            'data', sqlalchemy.LargeBinary().with_variant(
                mysql.MEDIUMBLOB(), 'mysql', 'mariadb'), nullable=False))
    op.create_table(
        'ext_medium_reads',
        sqlalchemy.Column('medium_id', sqlalchemy.String(32),
                          primary_key=True),
        sqlalchemy.Column('first_at', sqlalchemy.Double),
        sqlalchemy.Column('last_at', sqlalchemy.Double),
        sqlalchemy.Column('sent', sqlalchemy.BigInteger, nullable=False),
        sqlalchemy.Column('requests', sqlalchemy.BigInteger,
                          nullable=False),
        sqlalchemy.Column('ranges', sqlalchemy.Text, nullable=False),
        sqlalchemy.Column('client', sqlalchemy.String(64), nullable=False),
        sqlalchemy.Column('window_at', sqlalchemy.Double),
        sqlalchemy.Column('window_sent', sqlalchemy.BigInteger,
                          nullable=False))
