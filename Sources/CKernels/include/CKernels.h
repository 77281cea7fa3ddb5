#pragma once
/// What the kernels share with their callers: plain C structures, one table of functions, and the machine's features.
/// The vector helpers that Swift has no name for are in `isa_vector.h`.
#include <stddef.h>
#include <stdint.h>
#include "isa_vector.h"

/// Bits of `isa_cpu_features`.
enum {
  ISA_CPU_AVX2 = 1,         // x86-64-v3: AVX2, FMA, F16C, BMI
  ISA_CPU_AVX512 = 2,       // x86-64-v4: AVX-512 F, BW, CD, DQ, VL
  ISA_CPU_AVX512_BF16 = 4,
};

/// What this CPU and its operating system offer.
uint32_t isa_cpu_features(void);

/// Adds one to a counter that several threads share; its value before. It orders nothing.
int64_t isa_next(int64_t *counter);

/// Adds one likewise; its value after. Who reads the last value sees what all had written before theirs.
int64_t isa_ended(int64_t *counter);

/// Sets a number that others wait for, after all that was written before; waits until it is that large.
void isa_publish(int64_t *number, int64_t value);
void isa_await(const int64_t *number, int64_t value);

/// Queries in a panel: the kernels' unit of work, whatever the block.
enum { ISA_PANEL = 64 };

/// Rows of a tensor: `tokens[i]` (or i, where null) times `stride` elements from `base`.
typedef struct isa_rows {
  const void *base;
  int64_t stride;
  const int32_t *tokens;
  int64_t count;
  int64_t size;             // columns
  int32_t element;          // ONNX TensorProto.DataType: 1 float32, 10 float16, 16 bfloat16
} isa_rows;

/// Rows to pack, and where to.
typedef struct isa_pack {
  isa_rows rows;
  int64_t width;            // columns, padded to 16 (32 for keys and queries of bf16 products)
  int64_t capacity;         // rows of a whole block
  int32_t bf16;             // pack pairs along the contracted axis
  float scale;              // of queries
  float *packed;
  float *mean;              // [width], or null
  float *variance;          // [width]: of each column about its mean, or null; only with `mean`
  float *scratch;           // [64][width], then 64 pointers, then 6,144 floats
} isa_pack;

/// The running state of one panel of queries.
typedef struct isa_panel {
  float *q;                 // [words][64], scaled to base-2 logits
  float *s;                 // [64][64] scores, transposed: keys first
  float *p;                 // [64][64] words
  float *o;                 // [64][width]
  float *m, *l, *x;         // [64]: reference, sum, maxima of a block
} isa_panel;

/// Bias of one panel: element (query r, key j) is at queries[r]·query_stride + keys[j]·key_stride.
typedef struct isa_bias {
  const void *base;         // null: zero for all
  int64_t query_stride, key_stride;
  const int32_t *queries;   // tokens of the panel's rows
  int64_t count;            // of them
  int32_t element;
  const int32_t *keys;      // tokens of all packed keys, `block_k` a block
  int64_t block_k;
  float *scratch;           // [64][64]
  const uint8_t *mask;      // of all keys; zero: `added` is added to the key's scores
  float added;
  int32_t bias_first;       // the bias is added before it
  float unit;               // from scores of base 2 to those that the bias is added to
  float factor;             // of the sums
  float replaces;           // a bias of this or less stands in the place of the score
  float *shift;             // [64], of each row, taken off again before scores go to base 2; null: no bias at all
} isa_bias;

/// Packed keys and values.
typedef struct isa_packed {
  const float *keys, *values;
  int64_t key_block, value_block;   // words a block
  int64_t key_stride;               // words a key
  int64_t steps;                    // words that are contracted
  int64_t width;                    // columns of values, padded
  int64_t capacity;                 // keys of a whole block
  int32_t bf16;
} isa_packed;

/// One panel against a list of key blocks.
typedef struct isa_attend {
  isa_panel panel;
  isa_packed packed;
  const int32_t *list;
  int64_t count;
  const int32_t *sizes;             // keys of each block
  isa_bias bias;
  const void *const *ahead;         // cache lines that are wanted when the panel is done
  int64_t ahead_count;
} isa_attend;

/// One panel against block means: scores are there already.
typedef struct isa_terms {
  isa_panel panel;
  isa_packed means;                 // 64 means a block
  const float *scores;              // [n_k][64]
  const float *bias;                // [n_k], −inf where the block has no term
  int64_t count;                    // n_k
  const float *next;                // what is read after them
  // Where `isa_lost` has made exponentials of this panel, instead of `scores` and `bias`:
  const float *exponentials;        // [n_k][64], or null
  const float *references;          // [64]
  const float *factors;             // [n_k]: takes the excess out again; 0 where the block has no term
} isa_terms;

/// C[r][0..<64] = rows[r]·panel for `count` rows (a multiple of four is computed).
typedef struct isa_scores {
  const float *panel;               // [steps][64]
  const float *rows;
  int64_t row_stride, steps, count;
  float *out;
  int64_t out_stride;
  int64_t columns;                  // 1...64 that matter
  int32_t bf16;
} isa_scores;

/// What stands in a table of excess.
enum { ISA_HALF_VARIANCE = 0, ISA_LOSS = 1 };

/// What one mean key says too little of each key block's mass, for 64 mean queries: natural logarithms.
typedef struct isa_excess {
  int32_t kind;
  const float *panel;               // [steps][64] mean queries, scaled to base-2 logits
  isa_packed packed;
  const int32_t *sizes;
  int64_t first, count;             // blocks, at most 16; `first` a multiple of 16
  int64_t columns;
  float *out;                       // [64][out_stride], column `first`
  int64_t out_stride;
  float *s;                         // [64][64]
  float *tile;                      // [16][64]
  // Of ISA_LOSS:
  const float *log_sizes;           // [n_k] log2 of the keys
  const float *query_spread;        // [spread_width][64]: variances of the blocks' columns times the scale's square
  const float *key_spread;          // [n_k][spread_width]: variances of the blocks' columns
  int64_t spread_width;
  float *about;                     // [16][64]
} isa_excess;

/// Softmax of one row of coarse logits, in place, and its sharpness.
typedef struct isa_soften {
  float *row;                       // base-2 logits, padded to 64
  const float *log_sizes;           // log2 of the keys, −inf where there are none and in the padding
  const float *own;                 // 0 for the blocks that sharpness looks at, −inf elsewhere
  int64_t count;                    // padded
  int64_t top;                      // how many of them
  float *scratch;                   // [count]
} isa_soften;

/// Scores of one query block's row by the mass that terms would lose.
typedef struct isa_lost {
  const float *scores[2];           // [n_k][64] of each panel
  int64_t queries[2];               // of each panel
  int64_t panels;
  const float *excess;              // [padded]
  const float *log_sizes;           // [padded]
  int64_t count;                    // n_k
  int64_t padded;                   // to 16
  float *exponentials[2];           // [n_k][64] of each panel
  float *references[2];             // [64]
  float *factors;                   // [padded]: e^−excess, what takes it out of the exponentials again
  float *scratch;                   // [padded] and [64]
  float *out;                       // [padded]
} isa_lost;

/// How a row is chosen from.
enum { ISA_CHOOSE_COUNT = 0, ISA_CHOOSE_COVERAGE = 1, ISA_CHOOSE_THRESHOLD = 2 };

typedef struct isa_choose {
  const float *scores;              // [padded]
  const float *pool;                // 0 for those that may be chosen, −inf elsewhere and in the padding
  int64_t padded;
  int64_t pool_count;
  int32_t kind;
  float value;                      // share to cover, or threshold
  int64_t least;                    // count, or the floor
  int32_t *flags;                   // [padded]: 1 where chosen
  float *scratch;                   // [padded]
} isa_choose;

/// The panel's output rows.
typedef struct isa_finish {
  isa_panel panel;
  int64_t width;
  void *base;
  int64_t stride;
  const int32_t *tokens;            // null: in order
  int64_t count, size;
  int32_t element;
  float *scratch;                   // [width]
  float empty;                      // what a row without any key gives: zero, or NaN
} isa_finish;

/// Seconds of this thread's CPU time.
double isa_thread_seconds(void);

/// The functions of one instruction set.
typedef struct isa_kernels {
  int32_t bf16;                     // there are bf16 products
  void (*pack_keys)(const isa_pack *);
  void (*pack_values)(const isa_pack *);
  void (*pack_queries)(const isa_pack *);
  void (*mean)(const isa_pack *);
  void (*begin)(const isa_panel *, int64_t width);
  void (*attend)(const isa_attend *);
  void (*terms)(const isa_terms *);
  void (*finish)(const isa_finish *);
  void (*scores)(const isa_scores *);
  void (*excess)(const isa_excess *);
  float (*soften)(const isa_soften *);
  float (*lost)(const isa_lost *);  // the largest excess, in bits
  void (*choose)(const isa_choose *);
  void (*accumulate)(float *sum, const float *row, int64_t count);
  /// Σ (a − b)² and Σ b² of `count` floats, in double.
  void (*error)(const float *a, const float *b, int64_t count, double *result);
  /// Multiplies and adds in registers alone, `rounds` times `burst_products`; the result only keeps it from being dropped.
  float (*burst)(int32_t bf16, int64_t rounds, float x);
  int64_t burst_products;           // of float32; of bf16 pairs twice as many
} isa_kernels;
