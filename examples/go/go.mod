module example.com/cairn-append

go 1.21
