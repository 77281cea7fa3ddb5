import Foundation
import ONNXGraph

/// What becomes of weights that stand in files of their own.
public enum ExternalDataPolicy: String, CaseIterable, Sendable {
  /// They stay where they are: the patched model has to be written beside the original.
  case keep
  /// They are copied beside the patched model.
  case copy
  /// They get a link beside the patched model, which has to stand in a folder above them: neither this tool nor ONNX
  /// Runtime follows links out of a model's folder.
  case link
}

/// A model's data files, made reachable from the folder of another model.
struct ExternalData {
  /// What was made, outermost folders first; it goes again where the model that needs it cannot be written.
  private var files: [String] = []
  private var folders: [String] = []

  /// Makes the data reachable from the output's folder, since ONNX Runtime reads none outside of it.
  ///
  /// - Throws: `ToolError` 64 where it would have to move and must not, 65 where it may not be read, 73 where another file
  ///   has its name, 73 or 74 where it cannot be written. Nothing was made then.
  static func provided(
    _ model: Model, for output: String, by policy: ExternalDataPolicy
  ) throws(ToolError) -> ExternalData {
    var result = ExternalData()
    let source = URL(fileURLWithPath: model.path).deletingLastPathComponent().resolvingSymlinksInPath()
    let target = URL(fileURLWithPath: output).deletingLastPathComponent().resolvingSymlinksInPath()
    let isBeside = source.path == target.path
    do throws(ToolError) {
      for location in locations(model) {
        guard !isBeside else {
          try checkReadable(location, of: model, for: output)
          continue
        }
        guard policy != .keep else {
          throw ToolError(
            "\(output) would not find the weights in \(location), which stay in the original's folder; write beside the "
              + "original, or use --external-data copy.", .usage)
        }
        try result.provide(location, of: model, in: target, by: policy)
        try checkReadable(location, of: model, for: output)
      }
    } catch {
      result.withdraw()
      throw error
    }
    return result
  }

  /// The model that needs the files is there: they stay.
  func keep() {
    for file in files { AtomicFile.settle(file) }
  }

  /// Takes away what was made.
  func withdraw() {
    for file in files { AtomicFile.discard(file) }
    for folder in folders.reversed() { rmdir(folder) }
  }

  /// Where a model's data stands, or would stand beside another path.
  static func paths(_ model: Model, beside path: String) -> [String] {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
    return locations(model).map { folder.appendingPathComponent($0).path }
  }

  /// Locations of a model's external data, each once.
  static func locations(_ model: Model) -> [String] {
    Set(model.externalTensors.compactMap { $0.external?.location }).sorted()
  }

  /// Data that is a link, as in a cache of downloads, is not read from beside it by a model that is a file.
  private static func checkReadable(
    _ location: String, of model: Model, for output: String
  ) throws(ToolError) {
    guard !model.mayReadExternalData(location, from: output) else { return }
    throw ToolError(
      "\(output) could not read the weights in \(location), a link out of its folder; write to another folder with "
        + "--external-data copy.", .usage)
  }

  // MARK: One file

  private mutating func provide(
    _ location: String, of model: Model, in folder: URL, by policy: ExternalDataPolicy
  ) throws(ToolError) {
    let path = folder.appendingPathComponent(location).path
    let source: Int32
    do throws(ModelError) { source = try model.openExternalData(location) } catch { throw ToolError(error) }
    defer { close(source) }
    try makeFolders(for: location, in: folder)
    // A location is the model's word: it must not lead out of the folder, nor replace what the user has there.
    let parent = URL(fileURLWithPath: path).deletingLastPathComponent().resolvingSymlinksInPath().path
    guard parent == folder.path || parent.hasPrefix(folder.path == "/" ? "/" : folder.path + "/") else {
      throw .cannotWrite(path, "a link leads out of the output's folder")
    }
    var status = stat()
    if lstat(path, &status) == 0 {
      if policy == .link, Self.isOne(source, path) { return }
      guard Self.isSame(source, path) else {
        throw ToolError(
          "\(path) exists and is not the model's \(location); move it away or choose another folder with -o.",
          .cannotCreate)
      }
      return
    }
    let link = policy == .link ? Self.link(to: source, from: location, in: folder.path) : nil
    guard policy != .link || link != nil else {
      throw ToolError(
        "\(path) cannot be a link to the model's \(location), which stands outside of that folder; use --external-data "
          + "copy, or write to a folder above the original's.", .usage)
    }
    let temporary = AtomicFile.temporaryPath(for: path)
    let code =
      if let link { symlink(link, temporary) == 0 ? 0 : errno } else { Self.copy(source, to: temporary) }
    guard code == 0 else {
      AtomicFile.discard(temporary)
      throw AtomicFile.failure(path, AtomicFile.reason(code))
    }
    try AtomicFile.commit(temporary, to: path, provisionally: true)
    files.append(path)
  }

  private mutating func makeFolders(for location: String, in folder: URL) throws(ToolError) {
    var path = folder
    for part in location.split(separator: "/").dropLast() where part != "." {
      path.appendPathComponent(String(part))
      if mkdir(path.path, 0o777) == 0 {
        folders.append(path.path)
      } else if errno != EEXIST {
        throw .cannotWrite(path.path, AtomicFile.reason(errno))
      }
    }
  }

  /// 0, or what went wrong.
  private static func copy(_ source: Int32, to path: String) -> Int32 {
    let target = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard target >= 0 else { return errno }
    defer { close(target) }
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var offset: off_t = 0
    while true {
      let count = pread(source, &buffer, buffer.count, offset)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { return errno }
      if count == 0 { return 0 }
      var done = 0
      while done < count {
        let written = buffer.withUnsafeBytes { write(target, $0.baseAddress?.advanced(by: done), count - done) }
        if written < 0, errno == EINTR { continue }
        guard written > 0 else { return errno }
        done += written
      }
      offset += off_t(count)
    }
  }

  /// The relative path from where a location stands in a folder to an open file beneath that folder; nil where the file
  /// is elsewhere.
  private static func link(to source: Int32, from location: String, in folder: String) -> String? {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let count = readlink("/proc/self/fd/\(source)", &buffer, Int(PATH_MAX))
    guard count > 0 else { return nil }
    let path = String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let start = folder == "/" ? "/" : folder + "/"
    guard path.hasPrefix(start) else { return nil }
    let depth = location.split(separator: "/").count { $0 != "." } - 1
    return String(repeating: "../", count: max(0, depth)) + path.dropFirst(start.count)
  }

  /// True where a path leads to an open file.
  private static func isOne(_ source: Int32, _ path: String) -> Bool {
    var (a, b) = (stat(), stat())
    return fstat(source, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev
  }

  /// True where a path is a regular file with the same contents.
  private static func isSame(_ source: Int32, _ path: String) -> Bool {
    let other = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard other >= 0 else { return false }
    defer { close(other) }
    var (a, b) = (stat(), stat())
    guard fstat(source, &a) == 0, fstat(other, &b) == 0, b.st_mode & S_IFMT == S_IFREG, a.st_size == b.st_size
    else { return false }
    if a.st_ino == b.st_ino, a.st_dev == b.st_dev { return true }
    var (first, second) = ([UInt8](repeating: 0, count: 1 << 20), [UInt8](repeating: 0, count: 1 << 20))
    var offset: off_t = 0
    while offset < a.st_size {
      let count = pread(source, &first, first.count, offset)
      guard count > 0, pread(other, &second, count, offset) == count, memcmp(first, second, count) == 0
      else { return false }
      offset += off_t(count)
    }
    return true
  }
}
