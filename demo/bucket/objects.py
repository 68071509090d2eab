"""Prints what is in a bucket: for each object a line of JSON, with its key and its lines' ids.

Usage: objects.py BUCKET. The environment has the endpoint and credentials.
"""

import json
import sys

import boto3

bucket = sys.argv[1]
s3 = boto3.client("s3", region_name="us-east-1")
for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
    for entry in page.get("Contents", []):
        body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
        ids = [json.loads(line)["id"] for line in body.splitlines()]
        print(json.dumps({"key": entry["Key"], "ids": ids}))
