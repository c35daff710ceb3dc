"""The paper's tables and our own by number."""

from kdcl_tf.reproduction.tables.cifar import CIFAR_TABLES
from kdcl_tf.reproduction.tables.experiments import EXPERIMENTS
from kdcl_tf.reproduction.tables.imagenet import IMAGENET_TABLES
from kdcl_tf.reproduction.tables.table import Table

TABLES: dict[str, Table] = {
    table.number: table for table in (*IMAGENET_TABLES, *CIFAR_TABLES, *EXPERIMENTS)
}
