/// Takes a stream of PPM pictures in pieces and puts each picture's centre into a video tensor.
package struct FrameAssembler {
  package enum State: Equatable {
    case reading
    case tooSmall(width: Int, height: Int)
    case tooLarge(width: Int, height: Int)
    case malformed
  }

  let frames: Int
  let width: Int
  let height: Int
  package private(set) var values: [Float]
  package private(set) var complete = 0
  package private(set) var state = State.reading

  private var header: [UInt8] = []
  private var picture: [UInt8] = []
  private var size: (width: Int, height: Int)?

  /// The three counts are positive and of a product that fits.
  package init(frames: Int, width: Int, height: Int) {
    self.frames = frames
    self.width = width
    self.height = height
    values = [Float](repeating: 0, count: 3 * frames * width * height)
  }

  /// False where no more is wanted.
  package mutating func take(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty, state == .reading, complete < frames {
      if let size {
        let wanted = 3 * size.width * size.height - picture.count
        picture += rest.prefix(wanted)
        rest = rest.dropFirst(wanted)
        if picture.count == 3 * size.width * size.height { finishPicture(size) }
      } else {
        while size == nil, state == .reading, let byte = rest.popFirst() { takeHeader(byte) }
      }
    }
    return state == .reading
  }

  /// `P6`, width, height and 255, then one white space.
  private mutating func takeHeader(_ byte: UInt8) {
    header.append(byte)
    let isSpace = [0x20, 0x0A, 0x0D, 0x09].contains(byte)
    guard header.count <= 64 else {
      state = .malformed
      return
    }
    let words = String(decoding: header, as: UTF8.self).split(whereSeparator: \.isWhitespace)
    guard isSpace, words.count == 4 else { return }
    header = []
    guard words[0] == "P6", words[3] == "255", let w = Int(words[1]), let h = Int(words[2]), w > 0, h > 0 else {
      state = .malformed
      return
    }
    guard w >= width, h >= height else {
      state = .tooSmall(width: w, height: h)
      return
    }
    guard w <= FFmpeg.maximumPixels / h else {
      state = .tooLarge(width: w, height: h)
      return
    }
    size = (w, h)
    picture.reserveCapacity(3 * w * h)
  }

  private mutating func finishPicture(_ size: (width: Int, height: Int)) {
    let (top, left) = ((size.height - height) / 2, (size.width - width) / 2)
    let plane = height * width
    for y in 0..<height {
      let row = 3 * ((top + y) * size.width + left)
      for x in 0..<width {
        for channel in 0..<3 {
          values[(channel * frames + complete) * plane + y * width + x] =
            Float(picture[row + 3 * x + channel]) / 127.5 - 1
        }
      }
    }
    picture.removeAll(keepingCapacity: true)
    self.size = nil
    complete += 1
  }
}
