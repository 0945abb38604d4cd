// A weight-stationary int8 mesh, the peer of the simulator's `array` engine: activations move right, partial sums move
// down, weights move down while `load` is high. Every PE narrows its sum to WIDTH bits and counts how often that changed
// it. Written so that Verilator makes fast code of it: sums are 32-bit integers that hold WIDTH bits, and each register
// array is updated from its end by one loop, so that the loops stay loops (a mesh of one module and one always_ff per PE
// is three times slower).
module mesh #(
    parameter int ROWS = 16,
    parameter int COLUMNS = 16,
    parameter int WIDTH = 16,    // of the accumulators
    parameter int SATURATE = 1   // else wrap
) (
    input  logic clk,
    input  logic reset,
    input  logic load,
    input  int   weight_top[COLUMNS],
    input  int   x_left[ROWS],
    input  int   sum_top[COLUMNS],
    output int   sum_bottom[COLUMNS]
);
  localparam int HIGH = (1 << (WIDTH - 1)) - 1;
  localparam int LOW = -HIGH - 1;

  // Row 0 of `sum` and column 0 of `x` are what stands at the edges.
  int weight[ROWS][COLUMNS];
  int x[ROWS][COLUMNS+1];
  int sum[ROWS+1][COLUMNS];
  int overflows[ROWS][COLUMNS]  /*verilator public_flat_rd*/;

  /* verilator lint_off BLKSEQ */
  always_ff @(posedge clk) begin
    for (int c = 0; c < COLUMNS; ++c) sum[0][c] = sum_top[c];
    for (int r = ROWS - 1; r >= 0; --r) begin
      x[r][0] = x_left[r];
      for (int c = COLUMNS - 1; c >= 0; --c) begin
        int exact, kept;
        exact = sum[r][c] + weight[r][c] * x[r][c];
        if (SATURATE != 0) kept = exact > HIGH ? HIGH : exact < LOW ? LOW : exact;
        else kept = (exact <<< (32 - WIDTH)) >>> (32 - WIDTH);
        sum[r+1][c] = kept;
        overflows[r][c] = reset ? 0 : overflows[r][c] + ((kept != exact) && !load ? 1 : 0);
        x[r][c+1] = x[r][c];
      end
    end
    if (load) begin
      for (int r = ROWS - 1; r > 0; --r) for (int c = 0; c < COLUMNS; ++c) weight[r][c] = weight[r-1][c];
      for (int c = 0; c < COLUMNS; ++c) weight[0][c] = weight_top[c];
    end
    for (int c = 0; c < COLUMNS; ++c) sum_bottom[c] = sum[ROWS][c];
  end
  /* verilator lint_on BLKSEQ */
endmodule
