"""The live service: events in over HTTP, durable before they are acknowledged, in the card a moment later.

`events` judges what comes in, `log` makes it durable, `arithmetic` runs the batch path's own `.sql` files on a few users,
`generation` holds what was published, `engine` puts live users over it, `service` keeps them going, `app` speaks HTTP.
"""
