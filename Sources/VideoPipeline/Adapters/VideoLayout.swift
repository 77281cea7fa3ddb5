import SparseAttention

/// How a tensor of the model holds a video or latents: the order of its dimensions, or tokens.
///
/// Here all videos are channels, frames, rows, columns; noise is counted in that order too.
public struct VideoLayout: Equatable, Sendable {
  enum Slot: Equatable, Sendable {
    case batch, channels, frames, rows, columns, tokens
  }

  let slots: [Slot]
  let pack: Grid

  /// nil unless the port's dims are a batch, channels, and either rows and columns (and frames) or tokens. A fixed
  /// length is the channels'.
  init?(_ port: Adapter.Port, _ adapter: Adapter) {
    slots = port.dims.compactMap { dim in
      guard case .named(let name) = dim else { return .channels }
      return switch adapter.axis(named: name)?.meaning {
      case .batch: .batch
      case .channels: .channels
      case .frames: .frames
      case .height: .rows
      case .width: .columns
      case .tokens: .tokens
      case .text, .features, nil: nil
      }
    }
    pack = adapter.latent?.pack ?? Grid(frames: 1, rows: 1, columns: 1)
    func count(_ slot: Slot) -> Int { slots.count { $0 == slot } }
    let isGrid = count(.rows) == 1 && count(.columns) == 1 && count(.frames) <= 1 && count(.tokens) == 0
    let isTokens = slots == [.batch, .tokens, .channels]
    guard slots.count == port.dims.count, slots.first == .batch, count(.batch) == 1, count(.channels) == 1,
      isGrid || isTokens
    else { return nil }
  }

  var isTokens: Bool { slots.contains(.tokens) }

  /// Channels of the latents where the tensor has `length` features at the channels' place.
  func channels(_ length: Int) -> Int { isTokens ? length / pack.volume : length }

  /// The tensor's shape.
  func shape(batch: Int, channels: Int, _ grid: Grid) -> [Int] {
    slots.map { slot in
      switch slot {
      case .batch: batch
      case .channels: isTokens ? channels * pack.volume : channels
      case .frames: grid.frames
      case .rows: grid.rows
      case .columns: grid.columns
      case .tokens: grid.volume / pack.volume
      }
    }
  }

  /// For each element of the tensor (of one batch), the element of channels, frames, rows, columns that it is.
  private func forEach(channels: Int, _ grid: Grid, _ body: (_ tensor: Int, _ video: Int) -> Void) {
    let plane = grid.rows * grid.columns
    if isTokens {
      var tensor = 0
      for f in stride(from: 0, to: grid.frames, by: pack.frames) {
        for r in stride(from: 0, to: grid.rows, by: pack.rows) {
          for c in stride(from: 0, to: grid.columns, by: pack.columns) {
            for channel in 0..<channels {
              for df in 0..<pack.frames {
                for dr in 0..<pack.rows {
                  for dc in 0..<pack.columns {
                    let frame = channel * grid.frames + f + df
                    body(tensor, frame * plane + (r + dr) * grid.columns + c + dc)
                    tensor += 1
                  }
                }
              }
            }
          }
        }
      }
      return
    }
    // Distance in the video between neighbours along each dimension of the tensor.
    let dims = slots.filter { $0 != .batch }
    let lengths = shape(batch: 1, channels: channels, grid).dropFirst()
    let strides = dims.map { slot in
      switch slot {
      case .channels: grid.volume
      case .frames: plane
      case .rows: grid.columns
      case .batch, .columns, .tokens: 1
      }
    }
    var index = Array(repeating: 0, count: dims.count)
    var video = 0
    for tensor in 0..<channels * grid.volume {
      body(tensor, video)
      var position = dims.count - 1
      while position >= 0 {
        index[position] += 1
        video += strides[position]
        if index[position] < lengths[lengths.startIndex + position] { break }
        video -= strides[position] * index[position]
        index[position] = 0
        position -= 1
      }
    }
  }

  private var isCanonical: Bool {
    let order: [Slot] = [.batch, .channels, .frames, .rows, .columns]
    return slots == order || slots == order.filter { $0 != .frames }
  }

  /// From channels, frames, rows, columns to the tensor's order.
  func arranged(_ values: [Float], channels: Int, _ grid: Grid) -> [Float] {
    if isCanonical { return values }
    var result = values
    forEach(channels: channels, grid) { result[$0] = values[$1] }
    return result
  }

  /// From the tensor's order (of one batch) to channels, frames, rows, columns.
  func restored(_ values: [Float], channels: Int, _ grid: Grid) -> [Float] {
    if isCanonical { return values }
    var result = values
    forEach(channels: channels, grid) { result[$1] = values[$0] }
    return result
  }
}
