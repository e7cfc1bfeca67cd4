;; The inner loop of the chunker: the gear hash of FastCDC (Xia et al., USENIX ATC 2016), one byte
;; a step, unrolled by eight. Memory: 256 gear values of 64 bits at 0, the caller's bytes from 2048.
(module
  (memory (export "memory") 5)
  (global $rest (export "hash") (mut i64) (i64.const 0))

  ;; Looks at the bytes from $at up to $end. Returns the position after the first byte at which
  ;; no bit of $mask is set in the hash, or 0 when there is none; then the hash is in "hash".
  (func (export "find") (param $at i32) (param $end i32) (param $hash i64) (param $mask i64) (result i32)
    (local $word i64)
    (block $short
      (loop $eight
        (br_if $short (i32.gt_u (i32.add (local.get $at) (i32.const 8)) (local.get $end)))
        (local.set $word (i64.load (local.get $at)))
        (local.set $hash (i64.add (i64.shl (local.get $hash) (i64.const 1)) (i64.load (i32.wrap_i64 (i64.and (i64.shl (local.get $word) (i64.const 3)) (i64.const 0x7f8))))))
        (if (i64.eqz (i64.and (local.get $hash) (local.get $mask))) (then (return (i32.add (local.get $at) (i32.const 1)))))
        (local.set $hash (i64.add (i64.shl (local.get $hash) (i64.const 1)) (i64.load (i32.wrap_i64 (i64.and (i64.shr_u (local.get $word) (i64.const 5)) (i64.const 0x7f8))))))
        (if (i64.eqz (i64.and (local.get $hash) (local.get $mask))) (then (return (i32.add (local.get $at) (i32.const 2)))))
        (local.set $hash (i64.add (i64.shl (local.get $hash) (i64.const 1)) (i64.load (i32.wrap_i64 (i64.and (i64.shr_u (local.get $word) (i64.const 13)) (i64.const 0x7f8))))))
        (if (i64.eqz (i64.and (local.get $hash) (local.get $mask))) (then (return (i32.add (local.get $at) (i32.const 3)))))
        (local.set $hash (i64.add (i64.shl (local.get $hash) (i64.const 1)) (i64.load (i32.wrap_i64 (i64.and (i64.shr_u (local.get $word) (i64.const 21)) (i64.const 0x7f8))))))
        (if (i64.eqz (i64.and (local.get $hash) (local.get $mask))) (then (return (i32.add (local.get $at) (i32.const 4)))))
        (local.set $hash (i64.add (i64.shl (local.get $hash) (i64.const 1)) (i64.load (i32.wrap_i64 (i64.and (i64.shr_u (local.get $word) (i64.const 29)) (i64.const 0x7f8))))))
        (if (i64.eqz (i64.and (local.get $hash) (local.get $mask))) (then (return (i32.add (local.get $at) (i32.const 5)))))
        (local.set $hash (i64.add (i64.shl (local.get $hash) (i64.const 1)) (i64.load (i32.wrap_i64 (i64.and (i64.shr_u (local.get $word) (i64.const 37)) (i64.const 0x7f8))))))
        (if (i64.eqz (i64.and (local.get $hash) (local.get $mask))) (then (return (i32.add (local.get $at) (i32.const 6)))))
        (local.set $hash (i64.add (i64.shl (local.get $hash) (i64.const 1)) (i64.load (i32.wrap_i64 (i64.and (i64.shr_u (local.get $word) (i64.const 45)) (i64.const 0x7f8))))))
        (if (i64.eqz (i64.and (local.get $hash) (local.get $mask))) (then (return (i32.add (local.get $at) (i32.const 7)))))
        (local.set $hash (i64.add (i64.shl (local.get $hash) (i64.const 1)) (i64.load (i32.wrap_i64 (i64.and (i64.shr_u (local.get $word) (i64.const 53)) (i64.const 0x7f8))))))
        (if (i64.eqz (i64.and (local.get $hash) (local.get $mask))) (then (return (i32.add (local.get $at) (i32.const 8)))))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $eight)))
    (block $done
      (loop $one
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $hash (i64.add (i64.shl (local.get $hash) (i64.const 1)) (i64.load (i32.shl (i32.load8_u (local.get $at)) (i32.const 3)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (if (i64.eqz (i64.and (local.get $hash) (local.get $mask))) (then (return (local.get $at))))
        (br $one)))
    (global.set $rest (local.get $hash))
    (i32.const 0)))
